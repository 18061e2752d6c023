// What check_pages.py asks of a page: its links and anchors, and what is wrong with how it looks.
(() => {
  const problems = [];
  const width = document.documentElement.clientWidth;
  const describe = (element) => {
    const words = (element.textContent || "").trim().replace(/\s+/g, " ").slice(0, 40);
    const name = typeof element.className === "string" ? element.className.split(" ")[0] : "";
    return `<${element.tagName.toLowerCase()}${name && "." + name}> “${words}”`;
  };

  // Nothing makes the page itself wider than the window.
  if (document.documentElement.scrollWidth > width) {
    let worst = document.body;
    for (const element of document.querySelectorAll("main *, article *")) {
      const box = element.getBoundingClientRect();
      if (box.width > 0 && box.right > width + 1) worst = element;
    }
    problems.push(`${document.documentElement.scrollWidth} px wide; see ${describe(worst)}`);
  }

  // A desktop's window is wide enough for every table, code block and output.
  if (width > 1000) {
    for (const element of document.querySelectorAll(
      ".table-wrapper, pre, .cell_output, .output, article svg, article img"
    )) {
      const scrolls = getComputedStyle(element).overflowX !== "visible";
      const wide = scrolls && element.scrollWidth > element.clientWidth + 1;
      const box = element.getBoundingClientRect();
      if (wide || box.right > width + 1) {
        problems.push(`${element.scrollWidth} px in ${element.clientWidth}: ${describe(element)}`);
      }
    }
  }

  // Pictures show all of their text.
  for (const element of document.querySelectorAll("article svg text")) {
    const box = element.getBoundingClientRect();
    const frame = element.closest("svg").getBoundingClientRect();
    const out = Math.max(frame.left - box.left, box.right - frame.right, box.bottom - frame.bottom);
    if (box.width > 0 && out > 3) problems.push(`${out.toFixed(0)} px beyond its picture: ${describe(element)}`);
  }

  // Text can be told from what is behind it.
  const parse = (color) => {
    const parts = color.match(/[\d.]+/g)?.map(Number) ?? [0, 0, 0, 0];
    const scale = color.startsWith("color(srgb") ? 255 : 1;
    return [parts[0] * scale, parts[1] * scale, parts[2] * scale, parts[3] ?? 1];
  };
  const over = (top, under) => {
    const mixed = [0, 1, 2].map((i) => top[i] * top[3] + under[i] * (1 - top[3]));
    return [...mixed, 1];
  };
  const background = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const luminance = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => {
      const x = c / 255;
      return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const walker = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const element = node.parentElement;
    if (!node.data.trim() || seen.has(element) || element.closest("script, style, title")) continue;
    seen.add(element);
    const range = document.createRange();
    range.selectNodeContents(node);
    const box = range.getBoundingClientRect();
    if (!box.width || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    if (element.closest(".headerlink, .copybtn")) continue;
    const style = getComputedStyle(element);
    const svg = element.closest("svg");
    // What lies behind a text of a picture cannot be told here, unless it has the text's colour.
    if (svg && style.fill !== style.color) continue;
    const behind = background(svg ? svg.parentElement : element);
    const front = over(parse(style.color), behind);
    const [low, high] = [luminance(behind), luminance(front)].sort((a, b) => a - b);
    const contrast = (high + 0.05) / (low + 0.05);
    if (contrast < 3) {
      problems.push(`contrast ${contrast.toFixed(2)}: ${describe(element)}`);
    }
  }

  return {
    problems: problems.slice(0, 12),
    links: [...document.querySelectorAll("a[href]")].map((a) => a.href),
    anchors: [...document.querySelectorAll("[id], a[name]")].map((e) => e.id || e.name),
  };
})()
