"use strict";
// Everything that a model wrote becomes a text node: no markup is ever made from data.
(() => {
  const ROW = 68, MARGIN = 6;
  const OUTCOMES = {
    c: ["correct", "\u2713", "ok"], w: ["wrong", "\u2717", "no"], u: ["unparsed", "?", "no"], r: ["refused", "\u2298", "no"],
    t: ["truncated", "\u2026", "no"], f: ["caption failed", "\u25cc", "meh"], e: ["error", "!", "meh"],
  };
  const CELLS = {
    i: ["right on the image", "\u25cf", "ok", "on_image"], w: ["right with its own words", "\u25d1", "no", "own_words"],
    d: ["right with the true description only", "\u25d0", "no", "true_description"],
    s: ["solved from its own words only", "\u25cd", "no", "solved"], n: ["neither alone", "\u25cb", "no", "neither"],
  };
  const byId = (id) => document.getElementById(id);
  const index = JSON.parse(byId("index").textContent);
  const { modes, families, models, puzzles, rows, listed } = index;
  const total = rows.p.length;
  const list = byId("list"), spacer = byId("spacer"), detail = byId("detail");
  const fields = { model: byId("f-model"), family: byId("f-family"), mode: byId("f-mode"), outcome: byId("f-outcome"), cell: byId("f-cell") };
  const search = byId("f-text");
  const replicated = rows.r.some((replicate) => replicate > 0);

  function make(tag, classes, ...children) {
    const made = document.createElement(tag);
    if (classes) made.className = classes;
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
  }
  const plural = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;

  // -- packed parts ---------------------------------------------------------------------------------------------------------------------
  const thumbs = new Map(), chunks = new Map(), haystacks = new Map();
  function thumbOf(puzzle) {
    const [, , , , chunk, place] = puzzles[puzzle];
    if (!thumbs.has(chunk)) thumbs.set(chunk, JSON.parse(byId(`thumbs-${chunk}`).textContent));
    return thumbs.get(chunk)[place];
  }
  function picture(puzzle, alt) {
    const thumb = thumbOf(puzzle);
    if (!thumb) return null;
    const image = make("img");
    image.alt = alt;
    image.decoding = "async";
    image.src = `data:image/${thumb.startsWith("/9j/") ? "jpeg" : "webp"};base64,${thumb}`;
    return image;
  }
  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }
  function loadChunk(chunk) {
    if (!chunks.has(chunk)) chunks.set(chunk, unpack(byId(`chunk-${chunk}`).textContent));
    return chunks.get(chunk);
  }
  const firstRow = new Int32Array(puzzles.length + 1).fill(-1);
  rows.p.forEach((puzzle, row) => { if (firstRow[puzzle] < 0) firstRow[puzzle] = row; });
  async function load(row) {
    const puzzle = rows.p[row];
    const [, , , , chunk, place] = puzzles[puzzle];
    const data = (await loadChunk(chunk))[place];
    return [data, data.rows[row - firstRow[puzzle]]];
  }
  async function haystack(row) {
    if (!haystacks.has(row)) {
      const [data, cell] = await load(row);
      const [id, family, , gold] = puzzles[rows.p[row]];
      const texts = [id, families[family], models[rows.m[row]], gold, data.q, data.d, ...data.o];
      for (const caption of cell.c) texts.push(caption.x, caption.e);
      for (const trial of Object.values(cell.t)) texts.push(trial.x, trial.a, trial.e);
      haystacks.set(row, texts.filter(Boolean).join("\n").toLowerCase());
    }
    return haystacks.get(row);
  }

  // -- filters --------------------------------------------------------------------------------------------------------------------------
  let shown = [], current = -1, opened = -1, turn = 0;
  function fill(select, any, entries) {
    for (const [value, text] of [["", any], ...entries]) {
      const option = make("option", "", text);
      option.value = value;
      select.append(option);
    }
  }
  const named = (names) => names.map((name) => [name, name]);
  const present = new Set(rows.o.join("")), cellsPresent = new Set(rows.a);
  const codeOf = { wrongs: "x" };
  for (const [code, [word]] of Object.entries(OUTCOMES)) codeOf[word.replace(" ", "_")] = code;
  fill(fields.model, "all models", named(models));
  fill(fields.family, "all families", named(families));
  fill(fields.mode, "any mode", named(modes));
  fill(fields.outcome, "any outcome", [
    ["wrongs", "not correct"],
    ...Object.entries(codeOf).filter(([, code]) => present.has(code)).map(([word, code]) => [word, OUTCOMES[code][0]]),
  ]);
  fill(fields.cell, "any cell", Object.entries(CELLS).filter(([code]) => cellsPresent.has(code)).map(([, [word, , , name]]) => [name, word]));

  function outcomeFits(codes, mode, outcome) {
    const asked = mode < 0 ? codes : codes[mode];
    if (!outcome) return mode < 0 || asked !== ".";
    if (outcome === "x") return [...asked].some((code) => code !== "." && code !== "c");
    return asked.includes(outcome);
  }
  function wanted() {
    const value = Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, field.value]));
    return {
      model: models.indexOf(value.model), family: families.indexOf(value.family), mode: modes.indexOf(value.mode),
      outcome: codeOf[value.outcome] || "", cell: Object.keys(CELLS).find((code) => CELLS[code][3] === value.cell) || "",
    };
  }
  function fits(row, want) {
    return (want.model < 0 || rows.m[row] === want.model)
      && (want.family < 0 || puzzles[rows.p[row]][1] === want.family)
      && (!want.cell || rows.a[row] === want.cell)
      && outcomeFits(rows.o[row], want.mode, want.outcome);
  }
  // Shows the rows that fit. The open puzzle stays open where it is among them; else the first of them is opened.
  async function apply() {
    const mine = ++turn;
    const want = wanted();
    let found = [];
    for (let row = 0; row < total; row++) if (fits(row, want)) found.push(row);
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length) {
      byId("count").textContent = "searching\u2026";
      const kept = [];
      for (const row of found) {
        const text = await haystack(row);
        if (mine !== turn) return;
        if (words.every((word) => text.includes(word))) kept.push(row);
      }
      found = kept;
    }
    if (mine !== turn) return;
    shown = found;
    current = shown.indexOf(opened);
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${plural(total, models.length > 1 ? "row" : "puzzle")}`;
    spacer.style.height = `${shown.length * ROW}px`;
    if (current < 0) {
      current = shown.length ? 0 : -1;
      if (shown.length) await show(shown[0]);
      else nothing();
    }
    list.scrollTop = Math.max(0, current * ROW - list.clientHeight / 2);
    draw();
  }
  function nothing() {
    opened = -1;
    delete detail.dataset.row;
    detail.replaceChildren(make("p", "empty", "No puzzle fits these filters."));
  }

  // -- links: every filter and every puzzle has a fragment of its own ------------------------------------------------------------------
  const LINK = "#?";
  let arriving = false;
  function query(withPuzzle) {
    const found = new URLSearchParams();
    for (const [name, field] of Object.entries(fields)) if (field.value) found.set(name, field.value);
    if (search.value.trim()) found.set("text", search.value.trim());
    if (withPuzzle && opened >= 0) {
      found.set("puzzle", puzzles[rows.p[opened]][0]);
      if (models.length > 1 && !fields.model.value) found.set("of", models[rows.m[opened]]);
      if (replicated) found.set("replicate", String(rows.r[opened]));
    }
    return LINK + found.toString().replaceAll("%2F", "/");
  }
  function remember() {
    if (arriving) return;
    byId("here").href = query(true);
    history.replaceState(null, "", query(true));
  }
  function put(field, value) {
    field.value = value;
    if (field.value !== value) field.value = "";
  }
  async function arrive() {
    if (!location.hash.startsWith(LINK)) return false;
    arriving = true;
    const asked = new URLSearchParams(location.hash.slice(LINK.length));
    const puzzle = asked.get("puzzle");
    for (const [name, field] of Object.entries(fields)) put(field, asked.get(name) || "");
    search.value = asked.get("text") || "";
    const row = puzzle ? rowOf(puzzle, asked.get("of") || asked.get("model"), asked.get("replicate")) : -1;
    if (row >= 0) opened = row;
    else if (puzzle) opened = -1;
    await apply();
    if (row >= 0) await show(row);
    arriving = false;
    byId("here").href = query(true);
    byId("puzzles").scrollIntoView();
    return true;
  }
  function rowOf(puzzle, model, replicate) {
    for (let row = 0; row < total; row++) {
      if (puzzles[rows.p[row]][0] === puzzle && (!model || models[rows.m[row]] === model) && (!replicate || String(rows.r[row]) === replicate)) return row;
    }
    return -1;
  }

  // -- the list: only the rows in view exist --------------------------------------------------------------------------------------------
  function mark(kind, before, word) {
    const [name, glyph, style] = kind;
    const made = make("span", style, `${before}${glyph}${word ? ` ${name}` : ""}`);
    made.title = name;
    return made;
  }
  function drawRow(place) {
    const row = shown[place], puzzle = rows.p[row];
    const [id, family, level, gold] = puzzles[puzzle];
    const marks = make("span", "marks");
    [...rows.o[row]].forEach((code, mode) => { if (code !== ".") marks.append(mark(OUTCOMES[code], `${modes[mode]} `)); });
    const where = [models.length > 1 ? models[rows.m[row]] : id.split("/").pop(), replicated ? `replicate ${rows.r[row]}` : ""];
    const title = make("b", "", families[family], level === null ? "" : `, level ${level}`, gold === null ? "" : ` \u2192 ${gold}`);
    const last = make("span", "soft", where.filter(Boolean).join(", "));
    if (CELLS[rows.a[row]]) last.prepend(mark(CELLS[rows.a[row]], "", true), " \u00b7 ");
    const made = make("div", "row", picture(puzzle, "") || make("span", "none"), make("div", "", title, marks, last));
    made.id = `row-${place}`;
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", String(place === current));
    made.setAttribute("aria-setsize", String(shown.length));
    made.setAttribute("aria-posinset", String(place + 1));
    made.style.top = `${place * ROW}px`;
    made.addEventListener("click", () => { current = place; draw(); open(); });
    return made;
  }
  function draw() {
    const first = Math.max(0, Math.floor(list.scrollTop / ROW) - MARGIN);
    const last = Math.min(shown.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + MARGIN);
    const made = [];
    for (let place = first; place < last; place++) made.push(drawRow(place));
    spacer.replaceChildren(...made);
    if (current >= first && current < last) list.setAttribute("aria-activedescendant", `row-${current}`);
    else list.removeAttribute("aria-activedescendant");
  }
  function move(place) {
    if (!shown.length) return;
    current = Math.min(shown.length - 1, Math.max(0, place));
    const top = current * ROW;
    if (top < list.scrollTop) list.scrollTop = top;
    else if (top + ROW > list.scrollTop + list.clientHeight) list.scrollTop = top + ROW - list.clientHeight;
    draw();
  }

  // -- one puzzle -----------------------------------------------------------------------------------------------------------------------
  function textBlock(text, label) {
    const made = make("pre", "", text);
    made.dir = "auto";
    made.tabIndex = 0;
    made.setAttribute("aria-label", label);
    return made;
  }
  function factsOf(caption) {
    if (!caption.f) return make("p", "small", "No facts of this picture are on record: compare by eye.");
    const [right, wrong, lost, recovered] = caption.f;
    const sum = `${plural(right, "fact")} right, ${wrong.length} wrong, ${lost.length} lost; the picture ${recovered ? "can" : "cannot"} be rebuilt from this caption.`;
    const items = make("ul", "facts-list");
    for (const [slot, seen, said] of wrong) {
      items.append(make("li", "wrong", make("b", "", "\u2717 wrong "), `${slot}: the picture shows ${seen || "no such thing"}, the caption says `, make("s", "", said)));
    }
    for (const [slot, seen] of lost) items.append(make("li", "lost", make("b", "", "\u2205 lost "), `${slot}: `, make("b", "", seen)));
    return make("div", "", make("p", "small", sum), items);
  }
  function captionOf(caption) {
    const made = make("div", "caption", make("h4", "", "Caption ", make("span", "small", `by ${caption.by}`)));
    if (caption.x) made.append(textBlock(caption.x, "Caption"), factsOf(caption));
    else made.append(make("p", "no", `no caption: ${caption.e || "unknown reason"}`));
    return made;
  }
  // Letters are those that the model was shown: an open question shows no options and has none.
  function optionsOf(data, cell, gold) {
    const trials = Object.entries(cell.t);
    const options = (trials.find(([, trial]) => trial.p) || [0, {}])[1].p || data.o;
    const made = make("ul", "options");
    options.forEach((option, place) => {
      const chosen = trials.filter(([, trial]) => trial.a === option).map(([mode]) => modes[mode]);
      const right = option === gold;
      const text = make("bdi", "", option);
      const note = chosen.length ? make("span", "small", `  \u2190 ${chosen.join(", ")}`) : null;
      const letter = listed ? `${String.fromCharCode(65 + place)}. ` : "";
      made.append(make("li", right ? "gold" : "", letter, text, right ? "  \u2713 right answer" : "", note));
    });
    if (listed || !options.length) return made;
    return make("div", "", make("p", "small", "Asked as an open question; these options were not shown:"), made);
  }
  function replyOf(mode, code, trial) {
    const kind = OUTCOMES[code] || ["unknown", "?", "meh"];
    const how = [`answer ${trial.a === undefined ? "not read" : trial.a}`, trial.h ? `read by ${trial.h}` : ""];
    if (trial.n) how.push(`${trial.n[0].toLocaleString("en")} tokens in, ${trial.n[1].toLocaleString("en")} out`);
    if (trial.l) how.push(`${trial.l.toFixed(2)} s`);
    if (trial.s && trial.s !== "end_turn") how.push(`stopped by ${trial.s}`);
    const badge = make("span", `badge ${kind[2]}`, `${kind[1]} ${kind[0]}`);
    const made = make("div", "reply", make("h4", "", make("span", "", modes[mode]), badge, make("span", "small", how.filter(Boolean).join(", "))));
    made.dataset.mode = modes[mode];
    if (trial.e) made.append(make("p", "no", trial.e));
    if (trial.x !== undefined) made.append(textBlock(trial.x === "" ? "(empty reply)" : trial.x, `Reply in mode ${modes[mode]}`));
    else if (!trial.e) made.append(make("p", "small", "no reply is stored"));
    return made;
  }
  function othersOf(row) {
    const same = [];
    for (let other = firstRow[rows.p[row]]; other < total && rows.p[other] === rows.p[row]; other++) if (other !== row) same.push(other);
    if (!same.length) return null;
    const made = make("p", "others", make("span", "small", "The same puzzle:"));
    for (const other of same.slice(0, 12)) {
      const cell = CELLS[rows.a[other]];
      const name = `${models[rows.m[other]]}${replicated ? ` #${rows.r[other]}` : ""}${cell ? ` ${cell[1]}` : ""}`;
      const button = make("button", "", name);
      button.type = "button";
      button.addEventListener("click", () => choose(other));
      made.append(button);
    }
    if (same.length > 12) made.append(make("span", "small", `and ${same.length - 12} more`));
    return made;
  }
  async function show(row) {
    opened = row;
    const [id, family, level, gold] = puzzles[rows.p[row]];
    let data, cell;
    try {
      [data, cell] = await load(row);
    } catch (error) {
      detail.replaceChildren(make("p", "no", `This puzzle cannot be unpacked (${error.message}). A newer browser is needed.`));
      return;
    }
    if (opened !== row) return;
    const kind = CELLS[rows.a[row]];
    const meta = [models[rows.m[row]], id, replicated ? `replicate ${rows.r[row]}` : "", data.s].filter(Boolean).join(" \u00b7 ");
    const image = picture(rows.p[row], `Picture of the puzzle, family ${families[family]}`) || make("div", "none", "image not at hand");
    const question = make("div", "", make("p", "", make("bdi", "", data.q || "the question is not stored")), optionsOf(data, cell, gold));
    if (!data.o.includes(gold) && gold !== null) question.append(make("p", "ok", `\u2713 right answer: ${gold}`));
    const oracle = make("div", "", make("h4", "", "Description ", make("span", "small", "ground truth, mode oracle")), data.d ? textBlock(data.d, "Description") : make("p", "small", "none is stored"));
    const captions = cell.c.length ? cell.c.map(captionOf) : [make("div", "", make("h4", "", "Caption"), make("p", "small", "no caption was asked for"))];
    const replies = Object.entries(cell.t).map(([mode, trial]) => replyOf(Number(mode), rows.o[row][mode], trial));
    const title = make("h3", "", families[family], level === null ? "" : `, level ${level} `, kind ? mark(kind, " ", true) : "");
    detail.replaceChildren(
      title, make("p", "meta", make("bdi", "", meta)), ...[othersOf(row)].filter(Boolean),
      make("div", "asked", image, question), make("div", "pair", oracle, make("div", "", ...captions)), ...replies);
    detail.dataset.row = String(row);
    remember();
  }
  // Another row of the same puzzle: the list follows where the filters leave it.
  async function choose(row) {
    await show(row);
    current = shown.indexOf(row);
    draw();
  }
  async function open() {
    if (current < 0) return;
    await show(shown[current]);
    detail.focus({ preventScroll: window.innerWidth > 760 });
    detail.scrollIntoView({ block: "nearest" });
  }

  // -- keys, clicks, theme --------------------------------------------------------------------------------------------------------------
  let waiting = 0;
  const refilter = () => apply().then(remember);
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refilter, 150); });
  for (const field of Object.values(fields)) field.addEventListener("change", refilter);
  window.addEventListener("hashchange", arrive);
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  byId("filters").addEventListener("reset", () => setTimeout(refilter));
  list.addEventListener("scroll", draw, { passive: true });
  window.addEventListener("resize", draw);
  const pages = () => Math.max(1, Math.floor(list.clientHeight / ROW) - 1);
  const steps = {
    ArrowDown: () => move(current + 1), j: () => move(current + 1), ArrowUp: () => move(current - 1), k: () => move(current - 1),
    PageDown: () => move(current + pages()), PageUp: () => move(current - pages()), Home: () => move(0), End: () => move(shown.length - 1),
  };
  const typing = (target) => target.matches("input, select, textarea");
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target, inList = target === list;
    if (typing(target)) {
      if (event.key === "Escape" || (event.key === "Enter" && target === search)) list.focus();
      else return;
    } else if (event.key === "/") search.focus();
    else if (event.key === "Escape" && detail.contains(target)) list.focus();
    else if (inList && steps[event.key]) steps[event.key]();
    else if (event.key === "j" || event.key === "k") { list.focus(); steps[event.key](); if (detail.contains(target)) { open(); } }
    else if (inList && (event.key === "Enter" || event.key === " ")) open();
    else return;
    event.preventDefault();
  });
  const THEMES = ["system", "light", "dark"];
  const theme = byId("theme");
  theme.addEventListener("click", () => {
    const now = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "system") + 1) % THEMES.length];
    if (now === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = now;
    theme.textContent = `Theme: ${now}`;
  });
  let folded = [];
  window.addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("main details:not([open])")];
    for (const part of folded) part.open = true;
  });
  window.addEventListener("afterprint", () => { for (const part of folded) part.open = false; });

  arriving = true;
  arrive().then((linked) => linked || apply()).then(() => { arriving = false; byId("here").href = query(true); });
})();
