@echo off
rem Installs everything into the folder .venv beside this file. Needs Python 3.11, 3.12 or 3.13.
cd /d "%~dp0"
set PYTHON=
for %%V in (3.12 3.13 3.11) do if not defined PYTHON py -%%V --version >nul 2>nul && set PYTHON=py -%%V
if not defined PYTHON python -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))" >nul 2>nul && set PYTHON=python
if not defined PYTHON (
    echo error: Python 3.11, 3.12 or 3.13 was not found. Install it from https://www.python.org/downloads/ and start this file again.
    pause
    exit /b 1
)
if not exist ".venv\Scripts\python.exe" %PYTHON% -m venv .venv || goto failed
".venv\Scripts\python.exe" -m pip install -r requirements.txt || goto failed
echo.
echo Installed. Start start.bat to recognise molecules.
pause
exit /b 0
:failed
echo error: the installation did not finish; the lines above say why. Start this file again when it is mended.
pause
exit /b 1
