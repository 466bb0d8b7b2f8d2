"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  document.getElementById("theme").onclick = () => {
    const now = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
  };

  for (const button of document.querySelectorAll("[data-save]")) {
    button.onclick = () => {
      const text = document.getElementById(button.dataset.save).textContent;
      const json = button.dataset.file.endsWith(".json");
      const blob = new Blob([json ? text : JSON.parse(text)], { type: json ? "application/json" : "text/plain" });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = button.dataset.file;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    };
  }

  for (const button of document.querySelectorAll("[data-copy]")) {
    button.onclick = () => {
      const code = button.parentNode.querySelector("code");
      const done = (text) => { button.textContent = text; setTimeout(() => { button.textContent = "Copy"; }, 1200); };
      const select = () => { getSelection().selectAllChildren(code); done("Selected"); };
      // Pages opened from a file may not reach the clipboard.
      if (!navigator.clipboard) { select(); return; }
      navigator.clipboard.writeText(code.textContent).then(() => done("Copied"), select);
    };
  }

  const tip = document.getElementById("tip");
  const nearest = (places, at) => {
    let low = 0, high = places.length - 1;
    while (low < high) {
      const mid = (low + high) >> 1;
      if (places[mid] < at) low = mid + 1; else high = mid;
    }
    return low > 0 && at - places[low - 1] < places[low] - at ? low - 1 : low;
  };

  for (const figure of document.querySelectorAll(".figure")) {
    const holder = figure.querySelector("script.points");
    if (!holder) continue;
    const lines = JSON.parse(holder.textContent).lines;
    lines.forEach((line, at) => {
      if (!line.x) { line.x = lines[at - 1].x; line.h = lines[at - 1].h; }
    });
    const off = new Set();
    let scale = 0;

    for (const button of figure.querySelectorAll(".legend button")) {
      button.onclick = () => {
        const key = button.dataset.key;
        const hide = !off.has(key);
        if (hide) off.add(key); else off.delete(key);
        button.setAttribute("aria-pressed", String(!hide));
        for (const drawn of figure.querySelectorAll(`svg [data-key="${key}"]`)) drawn.toggleAttribute("data-off", hide);
      };
    }

    for (const button of figure.querySelectorAll(".scales button")) {
      button.onclick = () => {
        scale = Number(button.dataset.scale);
        for (const other of figure.querySelectorAll(".scales button"))
          other.setAttribute("aria-pressed", String(other === button));
        for (const plot of figure.querySelectorAll(".plot")) plot.hidden = Number(plot.dataset.scale) !== scale;
      };
    }

    for (const svg of figure.querySelectorAll("svg[data-inside]")) {
      const [left, top, width, height] = svg.dataset.inside.split(" ").map(Number);
      let pointed = 0;
      const make = (name, set) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", name);
        for (const key in set) made.setAttribute(key, set[key]);
        return made;
      };
      const clear = () => {
        tip.hidden = true;
        for (const old of svg.querySelectorAll(".pointed")) old.remove();
      };
      const show = (at) => {
        pointed = Math.min(1, Math.max(0, at));
        clear();
        const shown = [];
        lines.forEach((line, index) => {
          if (off.has(`l${index}`) || line.x.length === 0) return;
          const i = nearest(line.x, pointed);
          shown.push({ line, i, away: Math.abs(line.x[i] - pointed) });
        });
        if (shown.length === 0) return;
        const near = shown.reduce((a, b) => (b.away < a.away ? b : a));
        const x = left + near.line.x[near.i] * width;
        const group = make("g", { class: "pointed" });
        group.append(make("path", { class: "cross", d: `M${x} ${top}V${top + height}` }));
        tip.replaceChildren();
        const head = document.createElement("b");
        head.textContent = near.line.h[near.i];
        tip.append(head);
        for (const { line, i } of shown) {
          // A line that ends elsewhere has nothing to say here.
          const ends = pointed < line.x[0] - 0.02 || pointed > line.x[line.x.length - 1] + 0.02;
          if (ends && line !== near.line) continue;
          const cy = top + (1 - line.y[scale][i]) * height;
          group.append(make("circle", { class: `spot ${line.c}`, cx: left + line.x[i] * width, cy, r: 4 }));
          const row = document.createElement("div");
          const spot = document.createElement("i");
          const value = document.createElement("em");
          spot.className = line.c;
          value.textContent = line.t[i];
          row.append(spot, line.n, value);
          tip.append(row);
        }
        svg.append(group);
        tip.hidden = false;
        const box = svg.getBoundingClientRect();
        const at_x = box.left + (x / svg.viewBox.baseVal.width) * box.width;
        const right = at_x + 14 + tip.offsetWidth < document.documentElement.clientWidth;
        const place = right ? at_x + 14 : Math.max(4, at_x - 14 - tip.offsetWidth);
        tip.style.left = `${place + scrollX}px`;
        tip.style.top = `${box.top + scrollY + (top / svg.viewBox.baseVal.height) * box.height + 6}px`;
      };
      const where = (event) => {
        const box = svg.getBoundingClientRect();
        return (((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width - left) / width;
      };
      svg.addEventListener("pointermove", (event) => show(where(event)));
      svg.addEventListener("pointerdown", (event) => show(where(event)));
      svg.addEventListener("pointerleave", clear);
      svg.addEventListener("blur", clear);
      svg.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -0.01, ArrowRight: 0.01, Home: -1, End: 1 }[event.key];
        if (event.key === "Escape") clear();
        if (step === undefined) return;
        event.preventDefault();
        show(pointed + step);
      });
    }
  }
})();
