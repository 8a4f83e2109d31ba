// What the scripts say, in the page's language: the check's lines and a run's stages. They say it in
// English; what is not known here stays as it is.
import { say, spoken } from "./words.js";

/** Patterns of whole lines, and what they are in Chinese. */
const CHINESE = [
  // the check
  [/^(\d+) of (\d+) annotated images? can be used, (\d+) images? to recognise$/, "$2 幅有标注的图像中 $1 幅可用，$3 幅图像待识别"],
  [/^Classes from the labels: (.*)$/, "由标签得出的类别：$1"],
  [/^Classes of the weights: (.*)$/, "权重中的类别：$1"],
  [/^(.+): none outlined$/, "$1：尚未勾画"],
  [/^(.+): (\d+) outlined; diameter (\S+) pixels \(median\), smallest (\S+), largest (\S+)$/, "$1：已勾画 $2 个；直径中位数 $3 像素，最小 $4，最大 $5"],
  [/^nothing unusual was seen in what can be used$/, "可用的内容中没有发现异常"],
  [/^(\d+) problems? to correct before a run.*$/, "运行前需改正 $1 处："],
  [/^and (\d+) more$/, "还有 $1 处"],
  [/^(.+): no molecule is outlined; the network cannot learn it$/, "$1：没有勾画任何分子，网络无法学会它"],
  [/^(.+): (\d+) times fewer than the most frequent class$/, "$1：数量只有最多类别的 $2 分之一"],
  [/^(.+): only (\d+) outlined; (\d+) or more are better, or --examples$/, "$1：只勾画了 $2 个；最好不少于 $3 个，或勾选 --examples"],
  [/^(.*)diameter (\S+) pixels, the class's median is (\S+)$/, "$1直径 $2 像素，该类别的中位数为 $3"],
  [/^(.*?)(\S+) and (\S+), IoU (\S+); one molecule outlined twice\?$/, "$1$2 与 $3，IoU $4；同一个分子勾画了两次？"],
  [/^(.*?)(\S+) and (\S+), IoU (\S+)$/, "$1$2 与 $3，IoU $4"],
  [/^(.*), by (\S+) pixels$/, "$1，超出 $2 像素"],
  [/^(.*)x (\d+), y (\d+), like (\S+) \(correlation (\S+)\)(.*)$/, "$1x $2，y $3，像 $4（相关系数 $5）"],
  [/^(.*)what is not outlined teaches nothing$/, "$1未勾画之处不参与训练"],
  [/^(.*) has (\d+) parts \(group number (\d+)\)$/, "$1 由 $2 部分组成（组号 $3）"],
  [/^(.*)shape (\d+) \('(.*)'\) reaches (\d+) pixels out of the image; move or delete it\.$/, "$1形状 $2（“$3”）超出图像 $4 像素；请移动或删除它。"],
  [/^(.*)shape (\d+) \('(.*)'\) is an? [\w ]+, which encloses no area; draw a polygon\.$/, "$1形状 $2（“$3”）是点或线，没有围成面积；请重画或删除它。"],
  [/^(.*)shape (\d+) \('(.*)'\) crosses itself; .*$/, "$1形状 $2（“$3”）的边界自相交；请按顺序沿分子边缘画点。"],
  // its kinds, alone or as the head of a list
  [/^overlapping outlines(: \d+)?$/, "相互重叠的轮廓$1"],
  [/^outlines that leave the image(: \d+)?$/, "超出图像的轮廓$1"],
  [/^looks like a molecule but has no outline(: \d+)?$/, "看起来像分子但没有勾画$1"],
  [/^molecules of unusual size(: \d+)?$/, "大小异常的分子$1"],
  [/^few molecules of a class(: \d+)?$/, "某类别的分子太少$1"],
  [/^images that cannot be recognised \(the others can\)(: \d+)?$/, "无法识别的图像（其余可以）$1"],
  [/^files that nothing here reads(: \d+)?$/, "无法读取的文件$1"],
  [/^annotated images that are unlike each other(: \d+)?$/, "彼此差异很大的训练小图$1"],
  [/^copies of one image, each annotated(: \d+)?$/, "同一图像的多个已勾画副本$1"],
  [/^outlines that one group number joins into one molecule(: \d+)?$/, "由一个组号合为一个分子的轮廓$1"],
  // a run's stages
  [/^L1: .*?(\d+) cop(?:y|ies) made.*$/, "已旋转和翻转：新增 $1 幅图像"],
  [/^L2\/L3: .*?(\d+) cop(?:y|ies) made.*$/, "已改变颜色：新增 $1 幅图像"],
  [/^masks: (\d+) .*$/, "已绘制 $1 个掩模"],
  [/^dataset: (\d+) .*$/, "已写入数据集：$1 项"],
  [/^Data steps done after (\d+) s$/, "数据准备用时 $1 秒"],
  [/^(\d+) molecules? like your outlines teach too: (.+)$/, "另有 $1 个与已勾画分子相似的分子参与训练：$2"],
  [/^note: nothing else looks like your (.+); if there are more, .*$/, "注意：没有找到其他与 $1 相似的分子；若确有，请再勾画一个。"],
  [/^continuing the interrupted run.*$/, "从中断处继续"],
  [/^Training \S+ on (\d+) images?.*$/, "用 $1 幅图像训练"],
  [/^(\d+) steps? \(.*$/, "共 $1 步"],
  [/^epoch (\d+): loss ([\d.]+), on validation images ([\d.]+); ([\d.]+) minutes$/, "第 $1 轮：损失 $2，验证 $3；已用 $4 分钟"],
  [/^epoch (\d+): loss ([\d.]+); ([\d.]+) minutes$/, "第 $1 轮：损失 $2；已用 $3 分钟"],
  [/^(\d+) of (\d+) images? predicted into (.+) in ([\d.]+) s$/, "$2 幅图像中已识别 $1 幅，结果在 $3，用时 $4 秒"],
  [/^All done in ([\d.]+) minutes; look into (.+)$/, "全部完成，用时 $1 分钟；结果在 $2"],
  [/^epoch (\d+): (\d+) of (\d+) steps?$/, "第 $1 轮：第 $2 步，共 $3 步"],
  [/^(.+): (\d+) of (\d+) \w+$/, "$1：$2 / $3"],
  [/^stopped\.$/, "已停止。"],
];

/** What is refused, with the sentence that stands for it; paths and numbers stay. */
const REFUSED = [
  [/^Another run is going on; .*$/, "另有一次运行正在进行；请等它结束，或停止它。"],
  [/^(.+): another run is working in this folder; .*$/, "$1：另一次运行正在使用此文件夹；请等它结束。"],
  [/^(.+): the image's border cuts each of its outlined molecules; .*$/, "$1：该类别已勾画的分子都被图像边界截断；请勾画一个完整的分子作为示例。"],
  [/^(.+): no molecule is outlined; outline one as its example, .*$/, "$1：没有勾画分子；请勾画一个作为示例，或去掉这个类别。"],
  [/^(.+): shape (\d+) \('(.*)'\) is ([\d.]+) pixels wide, the largest example (\d+); .*$/, "$1：第 $2 个轮廓（$3）只有 $4 像素宽，最大的示例为 $5 像素；请删除，或勾画整个分子。"],
  [/^(.+): another program is writing it; try again later\.$/, "$1：另一个程序正在写入；请稍后再试。"],
  [/^(.+): is there already; rename one of the two\.$/, "$1：已存在；请给其中一个改名。"],
  [/^The file is larger than (\d+) GB\.$/, "文件超过 $1 GB。"],
  [/^(.+): no reader here knows this kind of file; .*$/, "$1：无法识别这种文件；请用 Gwyddion（gwyddion.net）打开并另存为 .gwy。"],
  [/^(.+): the file is damaged or of an unknown variant \((.*)\); .*$/, "$1：文件已损坏或格式变体未知（$2）；请用显微镜软件打开并重新保存。"],
  [/^(.+): the file ends (?:in its header|before its .* pixels do); .*$/, "$1：文件不完整；请重新从显微镜复制。"],
  [/^(.+): (?:the file is empty|the image is damaged or truncated|.* are no image).*$/, "$1：文件为空或已损坏；请重新复制。"],
  [/^(.+): is not an image in a known format; .*$/, "$1：不是已知格式的图像；请另存为 PNG 或 TIFF。"],
  [/^(.+): (\d+) x (\d+) pixels are more than the limit of (\S+) megapixels; .*$/, "$1：$2 x $3 像素超过了 $4 百万像素的上限；请裁剪。"],
  [/^(.+): holds no image; .*$/, "$1：不含图像；请选择带有扫描通道的文件。"],
  [/^(.+): (?:reading this format|writing it) needs the package (\S+); install it with: (.*)$/, "$1：需要软件包 $2；安装命令：$3"],
  [/^(.+): there is no such (?:file|image|annotation file); .*$/, "$1：文件不存在，可能已被移走。"],
  [/^(.+): is a link that leads out of the folder; .*$/, "$1：是指向文件夹之外的链接；请复制文件本身。"],
  [/^'(.*)' is no name of a file here\.$/, "这里不能使用文件名“$1”。"],
  [/^(.+): (?:is not valid JSON .*|is empty|is not a text file in UTF-8|is not a labelme annotation).*$/, "$1：不是可读的标注文件；请修复或移走它。"],
  [/^the place .* is outside the image of .*$/, "该处在图像之外；请点击一个分子。"],
  [/^nothing stands out at .*$/, "该处没有明显的分子；请点击分子的中间，或逐点勾画。"],
  [/^(.+): a piece of (\d+) x (\d+) pixels is too small; give at least (.*)\.$/, "$1：$2 x $3 像素的小图太小；至少需要 $4。"],
  [/^(.+): the piece .* does not lie in the image of .*$/, "$1：小图超出图像范围；请改正数字。"],
  [/^Outline (\d+) needs the name of its class, of 1 to (\d+) characters\.$/, "第 $1 个轮廓需要类别名称（1 到 $2 个字符）。"],
  [/^Outline a molecule of each class first; .*$/, "请先在每个类别中勾画一个分子；然后即可找到所有相似的分子。"],
  [/^(.+): nothing is outlined in it; .*$/, "$1：其中没有任何轮廓；请先识别并修正它。"],
  [/^(.+): has no molecule; there is no ROI to write\.$/, "$1：没有分子，无 ROI 可写。"],
  [/^(.+) and the others: have no molecule; .*$/, "所有图像中都没有分子，没有可写的内容。"],
  [/^Nothing has been recognised yet; .*$/, "尚未识别任何图像，没有可写的内容。"],
  [/^There is no program here that opens folders; open (.*)\.$/, "这里没有可打开文件夹的程序；请手动打开 $1。"],
  [/^(.+): No space left on device; .*$/, "$1：磁盘已满；请腾出空间后再试。"],
  [/^(.+): (?:Permission denied|Operation not permitted); .*$/, "$1：没有权限；请关闭占用它的程序或更改权限。"],
  [/^(.+): Read-only file system; .*$/, "$1：该文件夹不可写入；请换一个文件夹。"],
  [/^Something went wrong; .*$/, "出现意外错误；启动 app.py 的窗口中有说明。"],
];

/** What the scripts say of files and flags is done with clicks here: a pattern, and the page's word. */
const HERE = [
  [/: there is no annotated image; put /, "nothingOutlined"],
  [/: no molecule is outlined in any image; outline some in labelme\.$/, "nothingOutlined"],
  [/: there is no image to recognise; put some there/, "noImageYet"],
  [/^everything is ready for a run \(/, "checkReady"],
];

/** A line that a script has said, in the page's language; a flag is called as its tick is. */
export function said(line) {
  const [, indent, text] = /^(\s*)(.*)$/s.exec(line);
  const here = HERE.find(([pattern]) => pattern.test(text));
  if (here) return say(here[1]);
  const known = spoken() === "zh" ? [...CHINESE, ...REFUSED].find(([pattern]) => pattern.test(text)) : null;
  const words = known ? text.replace(known[0], known[1]) : text;
  return indent + words.replace(/--(examples|self-training)/, (_, flag) =>
    `“${say(flag === "examples" ? "examples" : "selfTraining")}”`);
}
