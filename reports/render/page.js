"use strict";
// Sorting, filtering, larger figures, files to save and the dark page. Without this script the page reads all the same.
(() => {
  const root = document.documentElement;
  const memory = (store, key, value) => {
    try { // a browser may forbid its memory to a page
      if (value === undefined) return store().getItem(key);
      store().setItem(key, value);
    } catch { /* then nothing is remembered */ }
    return null;
  };
  const local = () => window.localStorage, session = () => window.sessionStorage;
  const chosen = memory(local, "objective-zoo-theme");
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  const NUMBER = /^([+-]?(?:\d[\d,]*)?\.?\d+(?:e[+-]?\d+)?)(?=$|%|\/| ±| \(| to |\.\.)/;
  const numberOf = (text) => {
    const found = NUMBER.exec(text.replace("\u2212", "-"));
    return found ? Number(found[1].replaceAll(",", "")) : null;
  };
  const blank = (text) => ["", "-", "nan"].includes(text);
  const textOf = (row, column) => row.cells[column].textContent.trim();

  // rows by a column: numbers as numbers (5.80 ± 0.30 is 5.80), what has no value last, equals as they stood
  const sorted = (rows, column, direction) => {
    const texts = new Map(rows.map((row) => [row, textOf(row, column)]));
    const known = rows.filter((row) => !blank(texts.get(row)));
    const numeric = known.every((row) => numberOf(texts.get(row)) !== null);
    const compare = numeric
      ? (a, b) => numberOf(texts.get(a)) - numberOf(texts.get(b))
      : (a, b) => texts.get(a).localeCompare(texts.get(b), "en", { numeric: true });
    known.sort((a, b) => direction * compare(a, b));
    return [...known, ...rows.filter((row) => blank(texts.get(row)))];
  };

  const enhance = (table, place) => {
    const parts = [...table.tBodies].map((body) => {
      const rows = [...body.rows];
      return { body, title: rows.filter((row) => row.className === "group"), rows: rows.filter((row) => row.className !== "group") };
    });
    const original = parts.flatMap((part) => part.rows), heads = [...table.tHead.rows[0].cells];
    const state = { column: -1, direction: 0, words: "" };
    let input = null, count = null;
    const show = () => {
      for (const { body, rows } of parts) { // each part of a table by itself, its title above it
        body.append(...(state.direction ? sorted(rows, state.column, state.direction) : rows));
      }
      heads.forEach((head, i) => {
        const name = { 1: "ascending", [-1]: "descending" }[i === state.column ? state.direction : 0];
        head.setAttribute("aria-sort", name ?? "none");
      });
      const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of original) {
        const text = [...row.cells].map((cell) => cell.textContent).join(" ").toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      for (const { title, rows } of parts) title.forEach((row) => { row.hidden = rows.every((one) => one.hidden); });
      if (count) count.textContent = `${original.filter((row) => !row.hidden).length} of ${original.length} rows`;
    };
    const change = (news) => {
      Object.assign(state, news);
      show();
      memory(session, `table-${place}`, JSON.stringify(state));
    };
    heads.forEach((head, i) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.addEventListener("click", () => {
        const next = state.column !== i ? 1 : { 1: -1, [-1]: 0, 0: 1 }[state.direction];
        change({ column: i, direction: next });
      });
      head.append(button);
    });
    if (original.length > 6) {
      const line = document.createElement("div"), label = document.createElement("label");
      line.className = "filter";
      input = document.createElement("input");
      input.type = "search";
      input.placeholder = "words that a row must hold";
      input.addEventListener("input", () => change({ words: input.value }));
      count = document.createElement("output");
      label.append("Filter ", input);
      line.append(label, count);
      table.parentElement.before(line);
    }
    // a page that reloads itself while its grid is at work keeps what the reader chose
    const kept = document.querySelector("meta[http-equiv=refresh]") && memory(session, `table-${place}`);
    if (kept) Object.assign(state, JSON.parse(kept));
    if (input) input.value = state.words;
    show();
  };

  const zoom = (sheet) => {
    const image = sheet.querySelector("img");
    const toggle = () => {
      const open = sheet.getAttribute("aria-expanded") === "true";
      if (open || image.clientWidth < image.naturalWidth) sheet.setAttribute("aria-expanded", String(!open));
    };
    Object.assign(sheet, { role: "button", tabIndex: 0, title: "full size" });
    sheet.setAttribute("aria-expanded", "false");
    sheet.addEventListener("click", toggle);
    sheet.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        toggle();
      }
    });
  };

  // a file within the page is packed; where the browser can unpack it, it is saved as it was
  const file = (link) => {
    if (!("DecompressionStream" in window)) return;
    link.addEventListener("click", async (event) => {
      event.preventDefault();
      const packed = Uint8Array.from(atob(link.href.split(",")[1]), (letter) => letter.charCodeAt(0));
      const whole = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).blob();
      const save = Object.assign(document.createElement("a"), { href: URL.createObjectURL(whole), download: link.dataset.name });
      save.click();
      setTimeout(() => URL.revokeObjectURL(save.href), 1000);
    });
  };

  const theme = (button) => {
    const dark = () => getComputedStyle(root).colorScheme === "dark"
      || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    const name = () => { button.textContent = dark() ? "Light page" : "Dark page"; };
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      memory(local, "objective-zoo-theme", root.dataset.theme);
      name();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
    button.hidden = false;
  };

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("table[data-long]").forEach(enhance);
    document.querySelectorAll(".sheet").forEach(zoom);
    document.querySelectorAll("a.file").forEach(file);
    theme(document.getElementById("theme"));
  });
})();
