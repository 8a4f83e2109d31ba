"""The program's phrases in Simplified Chinese; see `spm.run.language`.

Keys are the English texts as they stand in the code. What stands in {braces} is filled in and keeps
its name. `tests/spm/run/test_language.py` holds both sides together: no phrase without its Chinese,
no Chinese without its phrase.
"""

from __future__ import annotations

# What reports, pages and remarks say.
PHRASES = {
    # A page.
    "yes": "是",
    "no": "否",
    "{remark}.": "{remark}。",
    "{count} molecule": "{count} 个分子",
    "{count} molecules": "{count} 个分子",
    "{count} image": "{count} 幅图像",
    "{count} images": "{count} 幅图像",
    "{count} molecules in {images}": "{images}中的 {count} 个分子",
    "image with {count} outlined molecule": "标出 {count} 个分子轮廓的图像",
    "image with {count} outlined molecules": "标出 {count} 个分子轮廓的图像",
    "{width} × {height} pixels": "{width} × {height} 像素",
    "{size} nm a pixel": "每像素 {size} nm",
    "scale not known: all lengths in pixels": "比例尺未知：长度均以像素为单位",
    "no classes": "没有类别",
    "Classes": "类别",
    "Layers": "图层",
    "Unit cells": "晶胞",
    "Vacancies (cross) and strangers (ring)": "空位（叉）与异类占位（圈）",
    "Class names": "类别名称",
    "Lowest score shown": "显示的最低置信度",
    "Zoom in": "放大",
    "Zoom out": "缩小",
    "Whole image": "整幅图像",
    "Point at a molecule for its class, score and size. Dashed outlines are uncertain, dotted ones "
    "unlike any outlined molecule. Ctrl + wheel zooms; drag to move.": (
        "将鼠标移到分子上，可查看其类别、置信度和大小。虚线轮廓表示类别不确定，"
        "点线轮廓表示与所有已标注的"
        "分子都不相像。按住 Ctrl 并滚动滚轮可缩放，拖动可平移。"
    ),
    "{seen} of {total}": "{seen} / {total}",
    "class {name}": "类别 {name}",
    "score {value}": "置信度 {value}",
    "area {value}": "面积 {value}",
    "orientation {turn}° (modulo {period}°)": "取向 {turn}°（以 {period}° 为周期）",
    "height {value} nm": "高度 {value} nm",
    "perhaps {name} ({score})": "也可能是 {name}（{score}）",
    "by its look": "按外观判断",
    "unlike any outlined molecule (likeness {value})": (
        "与所有已标注的分子都不相像（相似度 {value}）"
    ),
    "cut by the image's border": "被图像边缘截断",
    # Tables.
    "Molecules": "分子",
    "class": "类别",
    "molecules": "分子数",
    "cut by border": "被边缘截断",
    "uncertain": "类别不确定",
    "density (1/{unit}²)": "密度（1/{unit}²）",
    "coverage": "覆盖度",
    "area ({unit}²)": "面积（{unit}²）",
    "symmetry": "对称性",
    "alignment": "取向一致度",
    "height (nm)": "高度（nm）",
    "all": "合计",
    "{order}-fold": "{order} 重",
    "{count} more looks like no outlined molecule (dotted) and is left out of all numbers.": (
        "另有 {count} 个与所有已标注的分子都不相像（点线轮廓），未计入任何数字。"
    ),
    "{count} more look like no outlined molecule (dotted) and are left out of all numbers.": (
        "另有 {count} 个与所有已标注的分子都不相像（点线轮廓），未计入任何数字。"
    ),
    "Mean ± standard deviation of whole molecules. Density counts molecules cut by the border by "
    "their visible part.": (
        "完整分子的平均值 ± 标准偏差。计算密度时，被边缘截断的分子按其可见部分计入。"
    ),
    "In brackets: 95 % confidence intervals from counting alone, as if molecules lay at random.": (
        "括号内为 95 % 置信区间，仅由计数得出，相当于假定分子随机分布。"
    ),
    "In brackets: 95 % confidence intervals from counting alone, as if molecules lay at random, "
    "corrected by precision / recall as evaluated.": (
        "括号内为 95 % 置信区间，仅由计数得出，相当于假定分子随机分布，"
        "并按评估得到的精确率 / 召回率校正。"
    ),
    "Alignment is 1 when all molecules are parallel, up to their symmetry.": (
        "取向一致度为 1 表示所有分子相互平行（不区分由其对称性联系的取向）。"
    ),
    "Lattice": "晶格",
    "No repeating cell was found: too few molecules of a class, or no order.": (
        "未找到重复的晶胞：某一类的分子太少，或排列无序。"
    ),
    "domain": "畴",
    "domains": "畴数",
    "angle (°)": "夹角（°）",
    "direction of a (°)": "a 的方向（°）",
    "cell area ({unit}²)": "晶胞面积（{unit}²）",
    "molecules a cell": "每个晶胞的分子数",
    "vacancies and strangers": "空位与异类占位",
    "hand": "手性",
    "Errors are standard errors of the fit; they do not contain the scanner's calibration, drift "
    "or creep. Angles are anticlockwise from the right.": (
        "误差为拟合的标准误差，不包含扫描器校准、漂移和蠕变的影响。角度自右方起逆时针计。"
    ),
    "Domains of hand B are mirror images of those of hand A.": "手性 B 的畴是手性 A 的畴的镜像。",
    "Nearest neighbours": "最近邻",
    "from → to": "由 → 至",
    "distance ({unit})": "距离（{unit}）",
    "median": "中位数",
    "Figures": "图",
    "Averages": "平均",
    "Mean unit cells and molecules": "平均晶胞与平均分子",
    "How this was made": "结果的由来",
    "Settings": "设置",
    "Versions": "软件版本",
    # Figures of one image.
    "no molecules": "没有分子",
    "Areas": "面积",
    "Heights": "高度",
    "Orientations": "取向",
    "Distances to the nearest neighbour": "到最近邻的距离",
    "Directions to the nearest neighbour": "到最近邻的方向",
    "Lattice and domains": "晶格与畴",
    "{name} (n = {count})": "{name}（n = {count}）",
    "height above the surface (nm)": "相对表面的高度（nm）",
    "{name}, {order}-fold": "{name}，{order} 重",
    "orientation modulo symmetry (degrees)": "取向，以对称性为周期（度）",
    "distance ({unit}); bar: median": "距离（{unit}）；竖线：中位数",
    "direction (degrees, anticlockwise from the right)": "方向（度，自右方起逆时针）",
    "in no domain": "不属于任何畴",
    "domain {number}": "畴 {number}",
    "vacancy or stranger": "空位或异类占位",
    # Averages.
    "domain {domain}: mean of {count} cells": "畴 {domain}：{count} 个晶胞的平均",
    "domain {domain}: mean of {count} cells, followed locally": (
        "畴 {domain}：{count} 个晶胞的平均（局部跟踪）"
    ),
    "sd of the cells": "晶胞间的标准偏差",
    "{name}: mean of {count} molecules": "{name}：{count} 个分子的平均",
    "over its symmetry ({order}-fold)": "按对称性平均（{order} 重）",
    "over its symmetry ({order}-fold, correlation {value})": (
        "按对称性平均（{order} 重，相关系数 {value}）"
    ),
    "no rotational symmetry": "无旋转对称性",
    "sd of the molecules": "分子间的标准偏差",
    "error of the mean": "平均值的误差",
    "cells in the mean": "参与平均的晶胞数",
    "root mean square ({unit})": "均方根（{unit}）",
    "1 / √cells": "1 / √晶胞数",
    "measured": "实测",
    # Many images.
    "All images": "全部图像",
    "Images": "图像",
    "image": "图像",
    "unit": "单位",
    "without a flag": "无标记",
    "share (%)": "占比（%）",
    "estimated molecules": "估计分子数",
    "{value} ({low} to {high})": "{value}（{low} 至 {high}）",
    "In brackets: 95 % confidence intervals, from how the images differ (bootstrap over images).": (
        "括号内为 95 % 置信区间，由图像间的差异得出（对图像做自助法重抽样）。"
    ),
    "In brackets: 95 % confidence intervals, from counting alone, as if molecules lay at random; "
    "five images or more show how much images differ.": (
        "括号内为 95 % 置信区间，仅由计数得出，相当于假定分子随机分布；有五幅以上的图像时，"
        "才能看出图像间的差异。"
    ),
    "Density counts molecules at the border by their visible part. Areas: mean of the images ± "
    "standard deviation over the images, of molecules without a flag.": (
        "计算密度时，边缘处的分子按其可见部分计入。面积："
        "各图像平均值的平均 ± 图像间的标准偏差，只计无标记的分子。"
    ),
    "Densities and shares are corrected by precision / recall as evaluated, whose chance is in the "
    "intervals; the counts are as reported.": (
        "密度与占比按评估得到的精确率 / 召回率校正，其随机误差已计入区间；分子数为识别报告的原值。"
    ),
    "Handedness": "手性",
    "first": "前者",
    "second": "后者",
    "enantiomeric excess": "对映体过量",
    "ratio": "比值",
    "{first} against {second}": "{first} 与 {second}",
    "molecules in domains of hand A against hand B": "手性 A 与手性 B 的畴中的分子",
    "Excess: (first − second) / both, with its 95 % interval. Domains of hand B are mirror images "
    "of those of hand A, by lattice and orientation; hand A is that of the largest domain. By "
    "image: all_images.csv; by domain: all_domains.csv.": (
        "过量 =（前者 − 后者）/ 两者之和，并给出 95 % 区间。就晶格和取向而言，"
        "手性 B 的畴是手性 A 的畴的镜像；"
        "最大的畴的手性记为 A。逐图像的数值见 all_images.csv，逐畴的数值见 all_domains.csv。"
    ),
    "Density by class": "各类别的密度",
    "Share by class": "各类别的占比",
    "Areas over images": "各图像的面积分布",
    "Lattice of the largest domain": "最大畴的晶格",
    "Enantiomeric excess": "对映体过量",
    "Density against {column}": "密度随 {column} 的变化",
    "Density by {column}": "按 {column} 分组的密度",
    "molecules per {unit}²": "分子数 / {unit}²",
    "point: an image; bars: sd, and 95 % interval of the whole": (
        "点：一幅图像；线：标准偏差与总体的 95 % 区间"
    ),
    "point: an image; bars: sd, and 95 % interval of the whole, corrected": (
        "点：一幅图像；线：标准偏差与总体的 95 % 区间（已校正）"
    ),
    "point: an image; bars: sd, and 95 % interval of the mean": (
        "点：一幅图像；线：标准偏差与平均值的 95 % 区间"
    ),
    "share of the molecules (%)": "占分子总数的比例（%）",
    "no whole, certain molecule": "没有完整且类别确定的分子",
    "{name} ({count} in {images} images)": "{name}（{images} 幅图像中 {count} 个）",
    "area of whole, certain molecules ({unit}²); band: sd over images": (
        "完整且类别确定的分子的面积（{unit}²）；色带：图像间的标准偏差"
    ),
    "molecules of an image (%)": "占该图像分子数的比例（%）",
    "angle (degrees)": "夹角（度）",
    "angle →": "夹角 →",
    "all images: {value}": "全部图像：{value}",
    "({first} − {second}) / both": "（{first} − {second}）/ 两者之和",
    "image; whisker and band: 95 % interval": "图像；须线与色带：95 % 区间",
    "{column}; bars: sd of the images": "{column}；线：图像间的标准偏差",
    "{column}; an image each": "{column}；每点一幅图像",
    "{column}; bars: sd, and 95 % interval of the mean": (
        "{column}；线：标准偏差与平均值的 95 % 区间"
    ),
    "left out: {problem}": "未计入：{problem}",
    "{names} and {count} more": "{names} 等，另有 {count} 个",
    "{count} of {total} images have no known scale; densities, areas and lattices of all images "
    "are those of the others": (
        "{total} 幅图像中有 {count} 幅比例尺未知；汇总的密度、面积和晶格只取自其余图像"
    ),
    "the size of {count} images is not known; densities are those of the others": (
        "有 {count} 幅图像的尺寸未知；密度只取自其余图像"
    ),
    "the images were predicted with different {what}: {values}": (
        "这些图像识别时所用的“{what}”不同：{values}"
    ),
    "{path}: {count} of its images have no results here: {names}": (
        "{path}：其中 {count} 幅图像在此没有结果：{names}"
    ),
    # Remarks.
    "nothing was recognised: {why}": "没有识别出任何分子：{why}",
    "nothing was recognised; are colours, contrast and scale those of the annotated images? "
    "Convert it with the same colour map; for another scale give --tile-scale": (
        "没有识别出任何分子；颜色、对比度和比例是否与标注过的图像一致？请用相同的色表转换；"
        "比例不同时请给出 "
        "--tile-scale"
    ),
    "nothing was recognised; are colours, contrast and scale those of the annotated images, where "
    "molecules were {size} pixels wide? Convert it with the same colour map; for another scale "
    "give --tile-scale": (
        "没有识别出任何分子；颜色、对比度和比例是否与标注过的图像一致（其中分子宽 {size} 像素）"
        "？请用相同的色表"
        "转换；比例不同时请给出 --tile-scale"
    ),
    "the molecules are {here} pixels wide in the median, those trained on were {trained}; if they "
    "are the same, give --tile-scale (docs/troubleshooting.md)": (
        "分子宽度的中位数为 {here} 像素，训练所用的为 {trained} 像素；如果是同一种分子，"
        "请给出 --tile-scale"
        "（见 docs/troubleshooting.md）"
    ),
    "the image is grey, those trained on were coloured": "图像为灰度图，而训练所用的图像为彩色",
    "the image is coloured, those trained on were grey": "图像为彩色，而训练所用的图像为灰度图",
    "its mean colour (red, green, blue) is {here}, that trained on was {before}": (
        "图像的平均颜色（红、绿、蓝）为 {here}，训练所用的为 {before}"
    ),
    "{what}; convert it with the same colour map, not inverted (python -m spm.convert, "
    "--colour-map)": (
        "{what}；请用相同的色表转换，且不要反相（python -m spm.convert，--colour-map）"
    ),
    "its colours are not those of the annotated images; the network was shown it inverted "
    "and in theirs (--no-match-colours: as it is)": (
        "图像的配色与标注图像不同；网络看到的是反相并改用标注图像配色后的图像"
        "（--no-match-colours：按原样识别）"
    ),
    "its colours are not those of the annotated images; the network was shown it in theirs "
    "(--no-match-colours: as it is)": (
        "图像的配色与标注图像不同；网络看到的是改用标注图像配色后的图像"
        "（--no-match-colours：按原样识别）"
    ),
    "dark and bright are the other way round than in the annotated images; the network was "
    "shown it inverted (--no-match-colours: as it is)": (
        "图像的明暗与标注图像相反；网络看到的是反相后的图像（--no-match-colours：按原样识别）"
    ),
    # Drift taken out.
    "by": "依据",
    "misfit of the domains (chi squared a degree of freedom)": "各畴的不一致程度（每自由度卡方）",
    "domain {number}, measured": "畴 {number}，实测",
    "domain {number}, corrected": "畴 {number}，校正后",
    "{lengths}, {angle} degrees": "{lengths}，{angle} 度",
    "drift during the scan, to the right": "扫描期间的漂移，向右",
    "drift during the scan, downwards": "扫描期间的漂移，向下",
    "points of the pair": "两次扫描的对应点",
    "{count}, {left_out} left out, {apart} px apart (root mean square)": (
        "{count} 个，舍去 {left_out} 个，相距 {apart} px（均方根）"
    ),
}

# Names of settings and columns as files have them; pages show them in this language.
NAMES = {
    # What made a result (`engine.predict_image`).
    "prediction": "识别",
    "run": "运行信息",
    "undistorted": "畸变校正",
    "weights": "权重",
    "network run by": "网络运行于",
    "score threshold": "置信度阈值",
    "network pixels per image pixel": "每个图像像素对应的网络像素",
    "views": "视图数",
    "NMS IoU": "NMS 的 IoU",
    "mirror": "镜像增强",
    "date": "日期",
    "command": "命令",
    "machine": "计算机",
    "revision": "代码版本",
    "not known": "未知",
    # How an instrument's file became an image (`spm.instruments.heights`).
    "source": "来源文件",
    "channel": "通道",
    "direction": "扫描方向",
    "levelling": "调平",
    "low": "下百分位",
    "high": "上百分位",
    "colour_map": "色表",
    "shown": "显示范围",
    "from": "自",
    "to": "至",
    "measured_pixels": "测量像素数",
    "frame_nm": "扫描范围（nm）",
    "lines_cut": "去掉的扫描行",
    "missing_pixels": "缺失像素",
    "pixels": "像素数",
    "nm_per_pixel": "像素边长（nm）",
    "scan": "扫描参数",
    "versions": "软件版本",
    "bias": "偏压（V）",
    "current": "电流（A）",
    "set_point": "设定点",
    "scan_angle": "扫描角度（°）",
    "ScanAngle": "扫描角度（°）",
    "scan_offset_nm": "扫描偏移（nm）",
    "acq_time": "采集时间（s）",
    "rec_date": "记录日期",
    "rec_time": "记录时间",
    "Date": "日期",
    "Time": "时间",
    "comment": "备注",
    "sample": "样品",
    "data_set": "数据集",
    "title": "标题",
    "file": "文件",
    "read_with": "读取程序",
    "scaled as": "标度方式",
    "python": "Python",
    # Columns that count molecules apart (`spm.structures.molecule`).
    "edge": "边缘",
    "unfamiliar": "不相像",
    # Units.
    "grey levels": "灰度级",
}

WORDS = {**PHRASES, **NAMES}
