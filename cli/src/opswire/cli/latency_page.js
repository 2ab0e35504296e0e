"use strict";
const of = id => document.getElementById(id);
const built = JSON.parse(of("document").textContent);
const isLive = built === null;
const NAMES = { ingress: "--in", "publish.ack": "--bus2", "bus.wait": "--bus", "queue.redelivery": "--bus3", "intent.compute": "--intent",
  "cache.lookup": "--cache", "llm.network": "--model2", "llm.queue": "--model3", "llm.prefill": "--model4", "llm.decode": "--model",
  "llm.frontend": "--model5", "llm.unsplit": "--model6", "assets.db": "--db", "assets.compute": "--assets", policy: "--policy",
  "approval.wait": "--wait", "tool.run": "--tool", "executor.compute": "--exec", unattributed: "--none" };
const ORDER = Object.keys(NAMES);
const colour = stage => `var(${NAMES[stage] || "--none"})`;
const number = (value, digits) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
const ms = ns => number(ns / 1e6, Math.abs(ns) >= 1e10 ? 0 : 2);
const signed = ns => (ns < 0 ? "−" : "+") + ms(Math.abs(ns));
const share = part => number(100 * part, 1) + " %";
const points = part => (part < 0 ? "−" : "+") + number(Math.abs(100 * part), 0);
const span = interval => interval === null ? "too few to say" : `[${signed(interval.low)}, ${signed(interval.high)}]`;
const clock = at => new Date(at).toLocaleTimeString([], { hour12: false });
const short = key => key.replace(/^cli\//, "");
const partName = name => name === "mix" ? "mix of routes" : name;
let token = "", look = null, chosen = "";

// Text only, never markup: names and attributes come from spans, and spans say what they like.
function element(name, text, properties = {}) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  return Object.assign(made, properties);
}
function row(cells, properties = {}) {
  const line = Object.assign(document.createElement("tr"), properties);
  cells.forEach((cell, place) => {
    const field = element(place ? "td" : "th");
    if (!place) field.scope = "row";
    const { text, node, kind, title } = typeof cell === "object" && cell !== null && !(cell instanceof Node) ? cell : { text: cell instanceof Node ? undefined : cell, node: cell instanceof Node ? cell : undefined };
    if (node) field.append(node); else field.textContent = text ?? "";
    if (kind) field.className = kind;
    if (title) field.title = title;
    line.append(field);
  });
  return line;
}
const left = text => ({ text, kind: "left" });
function fill(id, rows, columns, empty) {
  of(id).replaceChildren(...(rows.length ? rows : [row([empty, ...Array(columns - 1).fill("")])]));
}
function swatch(stage, label = stage) {
  const box = element("span"), mark = element("span", "", { className: "swatch" + (stage === "unattributed" ? " hatched" : "") });
  mark.style.backgroundColor = colour(stage); mark.setAttribute("aria-hidden", "true");
  box.append(mark, label); return box;
}
function opener(key) {
  if (!key) return "";
  const button = element("button", short(key), { type: "button", className: "link", title: `Show the waterfall of ${key}` });
  button.addEventListener("click", () => open(key, true));
  return button;
}
function stack(stages, whole) {
  const bar = element("div", undefined, { className: "stack" });
  const parts = ORDER.concat(Object.keys(stages).filter(name => !NAMES[name])).filter(name => stages[name]);
  for (const name of parts) {
    const part = element("i", undefined, { title: `${name} ${ms(stages[name])} ms`, className: name === "unattributed" ? "hatched" : "" });
    part.style.width = `${100 * stages[name] / whole}%`; part.style.backgroundColor = colour(name); bar.append(part);
  }
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", parts.sort((a, b) => stages[b] - stages[a]).slice(0, 4).map(name => `${name} ${ms(stages[name])} ms`).join(", "));
  return bar;
}

async function ask(path) {
  const reply = await fetch(path, { cache: "no-store", headers: { Authorization: `Bearer ${token}` } });
  const found = await reply.json();
  if (!reply.ok) throw new Error(found.detail || `the server answers ${reply.status}`);
  return found;
}

function showVerdict(change, table) {
  const box = of("verdict"), words = of("verdict-words"), more = of("verdict-more");
  box.className = "";
  if (!look.after.requests) { words.textContent = "No request finished in window B."; more.textContent = look.after.title; return; }
  if (!change || !change.requests_before) {
    words.textContent = `Mean ${ms(table.mean_ns)} ms over ${number(table.requests, 0)} requests; nothing to compare with.`;
    more.textContent = "No request finished in window A."; return;
  }
  const first = change.parts.find(part => part.is_cause);
  const moved = `${ms(change.mean_before_ns)} → ${ms(change.mean_after_ns)} ms`;
  if (!first) {
    words.textContent = `No cause is named: mean ${moved}, ${signed(change.change_ns)} ms ${span(change.interval)}.`;
    more.textContent = Math.min(change.requests_before, change.requests_after) < 5 ? "Too few requests in one of the windows."
      : "Every interval holds 0, or is no more than chance among so many parts.";
  } else {
    box.className = first.change_ns > 0 ? "bad" : "good";
    words.textContent = `${first.name === "mix" ? "The mix of routes" : first.name} made requests ${first.change_ns > 0 ? "slower" : "faster"}: ${signed(first.change_ns)} ms ${span(first.interval)}.`;
    const also = change.parts.filter(part => part.is_cause && part !== first).map(part => `${partName(part.name)} ${signed(part.change_ns)} ms`);
    more.textContent = `The mean of all went ${moved} (${signed(change.change_ns)} ms ${span(change.interval)})`
      + (also.length ? `; also ${also.join(", ")}.` : ".") + (change.is_certain ? "" : " As a whole it moved no more than chance would have it.");
  }
}
function showTiles(table) {
  const tiles = [["Requests in B", number(table.requests, 0), table.unfinished ? `${number(table.unfinished, 0)} unfinished left out` : `${number(table.reference_requests, 0)} in A`],
    ["Mean", `${ms(table.mean_ns)} ms`, table.change ? `${signed(table.change.ns)} ${span(table.change.interval)}` : ""],
    ...["P50", "P95", "P99"].map((name, place) => [name, table.e2e_ns ? `${ms(table.e2e_ns[place])} ms` : "–", ""]),
    ["Unattributed", share(table.unattributed_share), `${share(table.untrusted_share)} of requests untrusted`]];
  of("tiles").replaceChildren(...tiles.map(([name, value, more]) => {
    const tile = element("div", undefined, { className: "tile" });
    tile.append(element("dt", name), element("dd", value), element("small", more)); return tile;
  }));
}
function showParts(change) {
  const most = Math.max(1, ...(change ? change.parts.flatMap(part => [part.change_ns, ...(part.interval ? [part.interval.low, part.interval.high] : [])]).map(Math.abs) : []));
  const at = ns => 50 + 50 * ns / most;
  fill("parts", (change ? change.parts : []).map(part => {
    const bar = element("div", undefined, { className: "change" }), body = element("i");
    body.style.left = `${Math.min(50, at(part.change_ns))}%`; body.style.width = `${Math.abs(at(part.change_ns) - 50)}%`;
    body.style.backgroundColor = part.is_cause ? (part.change_ns > 0 ? "var(--bad)" : "var(--good)") : "var(--none)";
    bar.append(element("u"), body); bar.setAttribute("aria-hidden", "true");
    if (part.interval) { const line = element("b"); line.style.left = `${at(part.interval.low)}%`; line.style.width = `${at(part.interval.high) - at(part.interval.low)}%`; bar.append(line); }
    return row([part.name === "mix" ? "mix of routes" : swatch(part.name), { node: bar }, signed(part.change_ns), span(part.interval), ms(part.before_ns), ms(part.after_ns),
      { text: part.is_cause ? "cause" : "chance", kind: "left " + (part.is_cause ? (part.change_ns > 0 ? "bad" : "good") : "") }, { node: wrapped(opener(part.example_key)), kind: "left" }],
      { className: part.is_cause ? "" : "chance" });
  }), 8, "Nothing to compare.");
  of("parts-sum").replaceChildren(...(change ? [row(["together", "", signed(change.change_ns), span(change.interval), ms(change.mean_before_ns), ms(change.mean_after_ns), "", ""])] : []));
  of("parts-caption").textContent = change ? `A: ${look.before.title}, n ${number(change.requests_before, 0)}. B: ${look.after.title}, n ${number(change.requests_after, 0)}. Mix ${signed(change.mix_ns)} + within ${signed(change.within_ns)} ms. A cause stays outside 0 also when so many parts are looked at.` : "";
  const common = change ? change.common : [];
  of("common-box").hidden = !common.length;
  if (common.length) of("common-caption").textContent = `What the ${number(common[0].slow, 0)} slow requests of B (over ${ms(common[0].slower_than_ns)} ms, A's P95) carry more often than its ${number(common[0].others, 0)} others`;
  fill("common", common.map(one => row([`${one.name} = ${one.value}`, share(one.share_slow), share(one.share_others), `[${points(one.interval.low)}, ${points(one.interval.high)}]`, { node: wrapped(opener(one.example_key)), kind: "left" }])), 5, "");
}
function changed(change) {
  const box = element("span", `${signed(change.ns)} `);
  box.append(element("small", span(change.interval))); return box;
}
const wrapped = node => node instanceof Node ? node : document.createTextNode(node);
function showStages(table) {
  of("trust").textContent = `${share(table.untrusted_share)} of the requests are untrusted: 5 % or more of their time is unexplained or repaired.`
    + (table.sampled_share < 1 ? ` An even ${share(table.sampled_share)} of the requests was looked at.` : "");
  of("trust").className = table.untrusted_share > .05 ? "warn" : "quiet";
  of("stages-caption").textContent = `${look.after.title}, n ${number(table.requests, 0)}. Times in ms; the P columns on the right are means over the requests between those percentiles of the whole time. ${table.percentiles_note}`;
  const bands = table.bands.map(band => `P${band.low}–${band.high}`);
  of("stages-head").replaceChildren(row(["Stage", "Share", "In", "Own P50", "P95", "P99", ...bands, "Change, 95 % interval", left("Look at")]));
  for (const cell of of("stages-head").querySelectorAll("th, td")) { const head = element("th", cell.textContent, { scope: "col", className: cell.className }); cell.replaceWith(head); }
  fill("stages", table.lines.map(line => row([swatch(line.stage), share(line.share), `${number(100 * line.present, 0)} %`, ...line.own_ns.map(ms), ...line.band_means_ns.map(ms),
    line.change ? { node: changed(line.change), kind: line.change.is_certain ? (line.change.ns > 0 ? "bad" : "good") : "quiet" } : "", { node: wrapped(opener(line.example_key)), kind: "left" }])), 8 + bands.length, "No request in window B.");
  of("stages-sum").replaceChildren(row(["together", "100.0 %", "", "", "", "", ...table.bands.map(band => ms(band.mean_ns)), table.change ? { node: changed(table.change) } : "", ""]));
}
function showRequests() {
  const stage = of("in-stage").value, time = one => stage ? (one.stages[stage] || 0) : one.e2e_ns;
  const known = look.requests.filter(one => !stage || one.stages[stage]);
  known.sort(of("sort").value === "new" ? (a, b) => b.at_ms - a.at_ms : (a, b) => time(b) - time(a));
  const shown = known.slice(0, 50), longest = Math.max(1, ...shown.map(one => one.e2e_ns));
  fill("requests", shown.map(one => {
    const [top, topTime] = Object.entries(one.stages).sort((a, b) => b[1] - a[1])[0] || ["–", 0];
    const bar = stack(one.stages, longest), flags = one.flags.includes("untrusted") ? "untrusted" : "";
    const line = row([opener(one.request_key), left(clock(one.at_ms)), { text: (one.outcome || "unknown") + (flags ? ` (${flags})` : ""), kind: "left " + (flags ? "warn" : one.outcome === "completed" ? "" : "quiet") }, ms(one.e2e_ns), left(`${top} ${ms(topTime)}`), { node: bar, kind: "left" }]);
    if (one.request_key === chosen) line.setAttribute("aria-current", "true");
    return line;
  }), 6, look.after.start_ms ? "No request here." : "A file of traces: its requests are named in the tables above.");
  of("requests-caption").textContent = `${number(shown.length, 0)} of ${number(look.after.requests, 0)}; bars are to one scale, ${ms(longest)} ms`;
}
function showTargets() {
  of("targets-box").hidden = !look.targets.length;
  const kinds = { page: "bad", broken: "bad", ticket: "warn", ok: "good" }, rate = burn => burn.rate === null ? "–" : number(burn.rate, 1);
  fill("targets", look.targets.map(one => row([one.target.name, left(one.target.route), one.good_share === null ? "–" : share(one.good_share), `${number(100 * one.target.objective, 2)} % in ${number(one.target.latency_ms, 0)} ms`,
    one.budget_left === null ? "–" : share(one.budget_left), ...one.burns.map(rate), { text: one.verdict, kind: "left " + (kinds[one.verdict] || "") }])), 10, "");
}

function drawing(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
const extent = () => {
  const times = [...look.points.map(point => point[0]), ...[look.before, look.after].filter(Boolean).flatMap(one => [one.start_ms, one.end_ms]).filter(Boolean)];
  return [times.reduce((a, b) => Math.min(a, b), Infinity), times.reduce((a, b) => Math.max(a, b), -Infinity)];
};
let scale = null;
function showTimeline() {
  const svg = of("timeline"), wide = svg.clientWidth || 1000, high = 190, edge = 52, top = 8, bottom = 22, parts = [];
  svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
  const [first, last] = extent();
  if (!(last > first)) { svg.replaceChildren(drawing("text", { x: 20, y: 90 }, "No times to show: a file of traces is compared.")); return; }
  const x = at => edge + (at - first) / (last - first) * (wide - edge - 8);
  scale = { first, last, at: px => first + Math.min(1, Math.max(0, (px - edge) / (wide - edge - 8))) * (last - first) };
  const values = look.points.map(point => Math.max(1e4, point[1])), low = Math.log10(values.reduce((a, b) => Math.min(a, b), 1e9)), most = Math.log10(values.reduce((a, b) => Math.max(a, b), 1e6)) + .05;
  const y = ns => top + (1 - (Math.log10(Math.max(1e4, ns)) - low) / Math.max(.3, most - low)) * (high - top - bottom);
  for (const [name, one] of [["a", look.before], ["b", look.after]])
    if (one && one.start_ms) { parts.push(drawing("rect", { class: `range-${name}`, x: x(one.start_ms), width: Math.max(2, x(one.end_ms) - x(one.start_ms)), y: top, height: high - top - bottom })); parts.push(drawing("text", { x: x(one.start_ms) + 5, y: top + 13 }, name.toUpperCase())); }
  for (let power = Math.ceil(low); power <= most; power++) {
    parts.push(drawing("line", { class: "grid", x1: edge, x2: wide - 8, y1: y(10 ** power), y2: y(10 ** power) }));
    parts.push(drawing("text", { x: edge - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, power >= 9 ? `${number(10 ** (power - 9), 0)} s` : `${number(10 ** (power - 6), Math.max(0, 6 - power))} ms`));
  }
  for (const part of wide < 700 ? [0, 1] : [0, .25, .5, .75, 1]) parts.push(drawing("text", { x: x(first + part * (last - first)), y: high - 6, "text-anchor": part === 0 ? "start" : part === 1 ? "end" : "middle" }, new Date(first + part * (last - first)).toLocaleString([], last - first > 8e7 ? { weekday: "short", hour: "2-digit", minute: "2-digit", hour12: false } : { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false })));
  const inside = (one, at) => one && at >= one.start_ms && at < one.end_ms;
  for (const [at, e2e] of look.points) parts.push(drawing("circle", { class: `dot${inside(look.before, at) ? " in-a" : inside(look.after, at) ? " in-b" : ""}`, cx: x(at).toFixed(1), cy: y(e2e).toFixed(1), r: 1.9 }));
  if (isLive) for (const [name, one] of [["a", look.before], ["b", look.after]]) if (one && one.start_ms) for (const end of ["start_ms", "end_ms"]) parts.push(handle(name, end, one, x, top, high - bottom));
  svg.replaceChildren(...parts);
  of("ranges").replaceChildren(...[["A", look.before, "--a"], ["B", look.after, "--b"]].filter(one => one[1]).map(([name, one, tone]) => {
    const item = element("li"), mark = element("span", "", { className: "swatch" }); mark.style.backgroundColor = `var(${tone})`; item.append(mark, `${name}: ${one.title}, ${number(one.requests, 0)} requests`); return item;
  }));
}
function handle(name, end, one, x, y1, y2) {
  const line = drawing("line", { class: `handle ${name}`, x1: x(one[end]), x2: x(one[end]), y1, y2, tabindex: 0, role: "slider", "aria-orientation": "horizontal",
    "aria-label": `${end === "start_ms" ? "Start" : "End"} of window ${name.toUpperCase()}; arrow keys move it, Enter compares`, "aria-valuemin": Math.round(scale.first), "aria-valuemax": Math.round(scale.last), "aria-valuenow": Math.round(one[end]), "aria-valuetext": new Date(one[end]).toLocaleString() });
  line.dataset.handle = `${name}-${end}`;
  line.addEventListener("keydown", event => {
    if (event.key === "Enter") { event.preventDefault(); compare(); return; }
    const step = { ArrowLeft: -1, ArrowRight: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!step) return;
    event.preventDefault();
    const moved = one[end] + step * (scale.last - scale.first) / 200, other = one[end === "start_ms" ? "end_ms" : "start_ms"];
    one[end] = end === "start_ms" ? Math.min(moved, other - 1000) : Math.max(moved, other + 1000);
    write(name === "a" ? "before" : "after", one.start_ms, one.end_ms); showTimeline();
    document.querySelector(`[data-handle="${name}-${end}"]`).focus();
  });
  return line;
}
const write = (id, start, end) => { of(id).value = `${new Date(start).toISOString().slice(0, 19)}Z/${new Date(end).toISOString().slice(0, 19)}Z`; };
let drag = null;
function onDrag(event) {
  if (!isLive || !scale || !look) return;
  const box = of("timeline").getBoundingClientRect(), at = scale.at(event.clientX - box.left);
  if (event.type === "pointerdown") { drag = { from: at, x: event.clientX - box.left, name: event.shiftKey ? "before" : "after", mark: drawing("rect", { class: "drag", y: 8, height: 160, x: 0, width: 0 }) }; of("timeline").append(drag.mark); of("timeline").setPointerCapture(event.pointerId); }
  else if (drag && event.type === "pointermove") { const px = event.clientX - box.left; drag.mark.setAttribute("x", Math.min(px, drag.x)); drag.mark.setAttribute("width", Math.abs(px - drag.x)); }
  else if (drag && event.type === "pointerup") {
    const { from, name, mark, x } = drag; drag = null; mark.remove();
    if (Math.abs(event.clientX - box.left - x) < 4) return;
    write(name, Math.min(from, at), Math.max(from, at) + 1000);
    if (name === "after" && !of("before").value && look.before && look.before.start_ms) write("before", look.before.start_ms, look.before.end_ms);
    compare();
  }
}

function showLook(found) {
  look = found;
  showVerdict(found.difference, found.table); showTiles(found.table); showTimeline(); showParts(found.difference); showStages(found.table); showTargets();
  const stages = found.table.lines.map(line => line.stage), kept = of("in-stage").value;
  of("in-stage").replaceChildren(element("option", "any stage", { value: "" }), ...stages.map(name => element("option", name, { value: name })));
  of("in-stage").value = stages.includes(kept) ? kept : "";
  of("legend").replaceChildren(...stages.map(name => { const item = element("li"); item.append(swatch(name)); return item; }));
  const route = of("route").value;
  of("route").replaceChildren(element("option", "all", { value: "" }), ...found.routes.map(name => element("option", name || "(none)", { value: name })));
  of("route").value = route;
  showRequests();
  of("when").textContent = `${isLive ? "as of" : "exported"} ${new Date(found.at_ms).toLocaleString()}` + (found.trouble ? `; not up to date: ${found.trouble}` : "");
  of("when").className = found.trouble ? "warn" : "quiet";
  document.body.dataset.ready = "yes";
}
async function compare() {
  const said = of("said"); said.className = "quiet"; said.textContent = "Comparing…"; delete document.body.dataset.ready;
  try {
    const query = new URLSearchParams({ after: of("after").value.trim() || "1h", before: of("before").value.trim(), route: of("route").value });
    showLook(await ask(`/api/look?${query}`)); said.textContent = "";
  } catch (error) { said.className = "bad"; said.textContent = `Not shown: ${error.message}`; of("when").textContent = ""; }
}

async function open(key, andGo) {
  const words = of("detail-words");
  let found = isLive ? null : built.details[key];
  delete document.body.dataset.opened;
  try { if (isLive) found = await ask(`/api/request?key=${encodeURIComponent(key)}`); }
  catch (error) { words.className = "bad"; words.textContent = `Not shown: ${error.message}`; return; }
  if (!found) { words.className = "warn"; words.textContent = `This file holds no waterfall of ${key}. Where the traces are: opswire trace ${short(key)}`; of("detail-box").hidden = true; }
  else showRequest(found);
  chosen = key; showRequests(); document.body.dataset.opened = key;
  if (andGo) of("h-detail").focus({ preventScroll: false });
}
function showRequest(found) {
  const whole = Math.max(1, found.e2e_ns), percent = ns => 100 * Math.min(whole, Math.max(0, ns)) / whole;
  of("h-detail").textContent = `One request: ${short(found.request_key)}`;
  const top = Object.entries(found.stages).sort((a, b) => b[1] - a[1]).slice(0, 3).map(([name, time]) => `${name} ${ms(time)} ms (${share(time / whole)})`);
  of("detail-words").className = found.flags.includes("untrusted") ? "warn" : "";
  of("detail-words").textContent = `${found.outcome || "unknown outcome"}, ${ms(found.e2e_ns)} ms: ${top.join(", ")}.` + (found.flags.length ? ` Flags: ${found.flags.join(", ")}.` : "");
  of("detail-caption").textContent = `Thick and coloured: on the critical path, where the time went; thin and high: what was waited for before a span. Grey: ran beside it. Finished ${new Date(found.at_ms).toLocaleString()}${found.route ? `, ${found.route}` : ""}. ${found.whole ? "" : "The spans are forgotten: only the path is left. "}In the terminal: opswire trace ${short(found.request_key)}`;
  of("scale").textContent = `0 to ${ms(whole)} ms`;
  of("water").replaceChildren(...found.lines.map(line => {
    const bar = element("div", undefined, { className: "water" });
    const whole_span = element("i"); whole_span.style.left = `${percent(line.start_ns)}%`; whole_span.style.width = `${percent(line.end_ns) - percent(line.start_ns)}%`; bar.append(whole_span);
    let own = 0;
    for (const piece of line.path) {
      own += piece.end_ns - piece.start_ns;
      const mark = element("b", undefined, { title: `${piece.stage} ${ms(piece.end_ns - piece.start_ns)} ms${piece.why ? `, ${piece.why}` : ""}`, className: (piece.start_ns < line.start_ns ? "before" : "") + (piece.stage === "unattributed" ? " hatched" : "") });
      mark.style.left = `${percent(piece.start_ns)}%`; mark.style.width = `${percent(piece.end_ns) - percent(piece.start_ns)}%`; mark.style.backgroundColor = colour(piece.stage); bar.append(mark);
    }
    const stages = [...new Set(line.path.map(piece => piece.stage))].join(", ");
    bar.setAttribute("role", "img"); bar.setAttribute("aria-label", own ? `on the critical path ${ms(own)} ms: ${stages}` : "not on the critical path");
    const name = "\u00a0\u00a0".repeat(line.depth) + line.name + (line.failed ? " — failed" : "");
    return row([{ text: name, kind: "name" + (line.failed ? " bad" : ""), title: line.name }, left(line.service), { node: bar, kind: "bar" }, ms(line.start_ns), ms(line.end_ns - line.start_ns), own ? ms(own) : ""], { className: own ? "" : "off-path" });
  }));
  of("detail-box").hidden = false;
}

of("sort").addEventListener("change", showRequests); of("in-stage").addEventListener("change", showRequests);
of("order").addEventListener("submit", event => event.preventDefault());
of("windows").addEventListener("submit", event => { event.preventDefault(); compare(); });
for (const kind of ["pointerdown", "pointermove", "pointerup"]) of("timeline").addEventListener(kind, onDrag);
addEventListener("resize", () => { if (look) showTimeline(); });
const first = found => { const part = found.difference && found.difference.parts.find(one => one.is_cause); return part ? part.example_key : found.requests.length ? found.requests.reduce((a, b) => b.e2e_ns > a.e2e_ns ? b : a).request_key : ""; };
(async () => {
  if (!isLive) {
    showLook(built); of("said").className = "quiet"; of("said").textContent = "An exported file: its windows are fixed. opswire latency serve compares any others.";
    if (first(built)) open(first(built), false);
    return;
  }
  of("windows").hidden = false; of("timeline").classList.add("live");
  token = new URLSearchParams(location.hash.slice(1)).get("token") || "";
  history.replaceState(null, "", location.pathname); // the token stays in this page's memory alone
  await compare();
  if (look && first(look)) open(first(look), false);
})();
