@echo off
rem Trains on aug_test_in and recognises the images. Flags go along: start.bat --check
cd /d "%~dp0"
if not exist ".venv\Scripts\python.exe" (
    echo error: nothing is installed yet. Start install.bat first.
    pause
    exit /b 1
)
".venv\Scripts\python.exe" workflow.py %*
set STATUS=%ERRORLEVEL%
pause
exit /b %STATUS%
