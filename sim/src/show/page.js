// Makes the picture move: select, step, search, zoom. The picture itself is drawn already, and all
// that is done here is to stretch it, to mark what is chosen, and to say what is known about it.
"use strict";
const find = (selector, from = document) => from.querySelector(selector);
const all = (selector, from = document) => [...from.querySelectorAll(selector)];
const events = JSON.parse(find("#events").textContent);
const [stage, picture, body, details, tooltip] =
  ["#stage", "#picture", "#body", "#details", "#tooltip"].map(selector => find(selector));
const ZOOM_MAX = 60, OPEN_AT = 12;
const width = +picture.getAttribute("width"), height = +picture.getAttribute("height");
let zoom = 1, chosen = null;

// What is hovered over is told in our own words, at once; what is read aloud, as the name.
for (const title of all("title", body)) {
  const owner = title.parentNode;
  owner.dataset.tip = title.textContent;
  title.remove();
}
const nodes = new Map(all(".ev", body).map(node => [+node.dataset.e, node]));
for (const node of nodes.values()) {
  node.setAttribute("role", "button");
  node.setAttribute("aria-label", node.dataset.tip);
}
const swarms = [...events.entries()].filter(([, event]) => event.members);
// In the order in which one walks through them; what is not in the drawn part is not there.
const order = [...nodes.keys()].sort((a, b) => events[a].y - events[b].y || a - b);

// ---- zoom: every height and every place on the way down is stretched, nothing else

const fixed = all("[data-y]", body).filter(node => node.tagName === "g")
  .map(node => ({ node, y: +node.dataset.y, x: /\((\S+)/.exec(node.getAttribute("transform"))[1], room: node.dataset.room, h: node.dataset.h }));
const boxes = all("rect[data-y]", body).map(node => ({ node, y: +node.dataset.y, h: +node.dataset.h }));
const lines = all("line", body).map(node => ({ node, y1: +node.getAttribute("y1"), y2: +node.getAttribute("y2") }));
const shapes = all("polygon", body).map(node => ({ node, points: node.getAttribute("points").split(" ").map(point => point.split(",").map(Number)) }));
const rows = fixed.filter(({ node }) => node.classList.contains("row"));

function stretch() {
  const at = y => Math.round(y * zoom * 10) / 10;
  picture.setAttribute("height", Math.ceil(height * zoom));
  picture.setAttribute("viewBox", `0 0 ${width} ${Math.ceil(height * zoom)}`);
  for (const { node, y, x, room, h } of fixed) {
    node.setAttribute("transform", `translate(${x} ${at(y)})`);
    if (room) node.setAttribute("display", h * zoom < +room ? "none" : "inline");
  }
  for (const { node, y, h } of boxes) { node.setAttribute("y", at(y)); node.setAttribute("height", at(h)); }
  for (const { node, y1, y2 } of lines) { node.setAttribute("y1", at(y1)); node.setAttribute("y2", at(y2)); }
  for (const { node, points } of shapes) node.setAttribute("points", points.map(([x, y]) => `${x},${at(y)}`).join(" "));
  thin();
  openAll();
  find("#zoom").textContent = `${Math.round(zoom * 100)}%`;
  find("#out").disabled = zoom <= smallest();
  find("#in").disabled = zoom >= ZOOM_MAX;
}

// Where lines of the story would lie over each other, trouble is told first.
function thin() {
  stage.classList.toggle("shrunk", zoom < 1);
  stage.classList.toggle("far", zoom < .5);
  const taken = [];
  const weight = ({ node }) => (+node.dataset.e === chosen ? 0 : events[node.dataset.e].trouble ? 1 : node.classList.contains("status") ? 2 : 3);
  const free = y => !taken.some(other => Math.abs(other - y) < 17);
  for (const row of rows.slice().sort((a, b) => weight(a) - weight(b) || a.y - b.y)) {
    const y = row.y * zoom, fits = zoom >= 1 || free(y);
    if (fits) taken.push(y);
    for (const text of all("text", row.node)) text.classList.toggle("crowded", !fits);
  }
}

// Names of messages stand at the ends of arrows, below each other; only so many have room.
const names = all(".name", body).map(node => ({ node, x: node.getAttribute("x"), y: +node.parentNode.dataset.y, swarm: node.closest(".swarm") }));
function hasRoom(taken, x, y) {
  const others = taken.get(String(x)) ?? [];
  if (others.some(other => Math.abs(other - y) < 11)) return false;
  taken.set(String(x), [...others, y]);
  return true;
}

// Messages that are drawn together come apart once there is room for each.
const comesApart = ([, { members }]) => (members.at(-1)[0] - members[0][0]) / 10 * zoom / members.length >= OPEN_AT;

function open([id, { members, ends: [x1, x2] }], apart, taken) {
  const node = nodes.get(id);
  node.classList.toggle("open", apart);
  for (const old of all(".member", node)) old.remove();
  if (!apart) return;
  const svg = (name, attributes, parent) => {
    const made = document.createElementNS(body.namespaceURI, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return parent.appendChild(made);
  };
  const seen = visible();
  for (const [top, bottom, name, told] of members) {
    const [y1, y2] = [top / 10 * zoom, bottom / 10 * zoom];
    if (Math.max(y1, y2) < seen.top - 400 || y1 > seen.bottom + 400) continue;
    const member = svg("g", { class: `member msg ${[...node.classList].filter(name => ["up", "down", "stale", "unheard", "lost"].includes(name)).join(" ")}` }, node);
    member.dataset.tip = told;
    svg("line", { class: "hit", x1, y1, x2, y2 }, member);
    svg("line", { class: "shaft", x1, y1, x2, y2 }, member);
    if (!hasRoom(taken, x1 < x2 ? x1 + 9 : x1 - 9, y1)) continue;
    svg("text", { class: "name", x: x1 < x2 ? x1 + 9 : x1 - 9, y: y1 - 2, "text-anchor": x1 < x2 ? "start" : "end" }, member).textContent = name;
  }
}

function openAll() {
  const taken = new Map(), apart = swarms.filter(comesApart);
  for (const { node, x, y, swarm } of names) {
    if (swarm && apart.some(([id]) => nodes.get(id) === swarm)) continue;
    node.classList.toggle("crowded", !hasRoom(taken, x, y * zoom) && zoom < 1);
  }
  for (const swarm of swarms) open(swarm, apart.includes(swarm), taken);
}

const smallest = () => Math.min(1, (stage.clientHeight - 60) / height);
const visible = () => ({ top: stage.scrollTop, bottom: stage.scrollTop + stage.clientHeight });

/// Zooms so that what is at this height of the stage stays there.
function zoomTo(wanted, anchor = stage.clientHeight / 2) {
  const next = Math.min(ZOOM_MAX, Math.max(smallest(), wanted));
  const place = (stage.scrollTop + anchor) / zoom;
  zoom = next;
  stretch();
  stage.scrollTop = place * zoom - anchor;
}

// ---- choosing: one event at a time, told below the picture, and in the address

function choose(id, scroll = true) {
  if (chosen !== null) { nodes.get(chosen).classList.remove("chosen"); nodes.get(chosen).removeAttribute("aria-pressed"); }
  chosen = id;
  if (id === null) {
    details.replaceChildren(make("p", "hint", "Click an event, or step with j and k. ? shows all keys."));
    history.replaceState(null, "", " ");
    return;
  }
  const node = nodes.get(id), event = events[id];
  node.classList.add("chosen");
  node.setAttribute("aria-pressed", "true");
  if (zoom < 1) thin();
  const told = make("p", "told");
  told.append(make("span", "at", `${event.time} s`), make("span", "by", `${event.who} `), make("b", "", event.what));
  const more = make("p", "more");
  for (const [name, text] of event.more) { const pair = make("span"); pair.append(make("i", "", `${name} `), text); more.append(pair); }
  if (event.members) more.append(make("i", "", "Enter zooms in until they come apart"));
  details.replaceChildren(told, ...(event.why ? [make("p", "because", event.why)] : []), more);
  history.replaceState(null, "", `#e${id}`);
  if (scroll) {
    const y = event.y / 10 * zoom, { top, bottom } = visible();
    if (y < top + 70 || y > bottom - 60) stage.scrollTop = y - stage.clientHeight * .4;
  }
}

function make(name, kind = "", text = "") {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.textContent = text;
  return made;
}

/// The next event that fits, from the one that is chosen, or from what is seen.
function step(by, fits = () => true) {
  let at = order.indexOf(chosen);
  if (at < 0) {
    const from = visible()[by > 0 ? "top" : "bottom"];
    at = by > 0 ? order.findIndex(id => events[id].y / 10 * zoom >= from) - 1 : order.findLastIndex(id => events[id].y / 10 * zoom <= from) + 1;
    if (at === -2) at = order.length;
  }
  for (at += by; at >= 0 && at < order.length; at += by) if (fits(order[at])) return choose(order[at]);
}

// ---- search

const search = find("#search");
const text = order.map(id => [id, `${events[id].time} ${events[id].who} ${events[id].what} ${events[id].why}`.toLowerCase()]);
let hits = new Set();
function look() {
  const wanted = search.value.trim().toLowerCase();
  hits = new Set(wanted ? text.filter(([, told]) => told.includes(wanted)).map(([id]) => id) : []);
  stage.classList.toggle("searched", wanted !== "");
  for (const [id, node] of nodes) node.classList.toggle("hits", hits.has(id));
  find("#found").textContent = wanted ? `${hits.size} found` : "";
}
search.addEventListener("input", look);
search.addEventListener("keydown", event => {
  if (event.key === "Enter") { event.preventDefault(); step(event.shiftKey ? -1 : 1, id => hits.has(id)); }
  if (event.key === "Escape") { search.value = ""; look(); stage.focus(); }
});

// ---- keys, mouse, touch

const isTrouble = id => events[id].trouble;
function zoomIn() {
  if (chosen === null) return;
  const { members } = events[chosen];
  const depth = members ? (members.at(-1)[0] - members[0][0]) / 10 / members.length : 10;
  zoomTo(members ? Math.max(zoom, OPEN_AT * 1.4 / depth) : zoom * 2);
  stage.scrollTop = events[chosen].y / 10 * zoom - 120;
  openAll();
}
const keys = {
  j: () => step(1), ArrowDown: () => step(1), k: () => step(-1), ArrowUp: () => step(-1),
  n: () => step(1, isTrouble), N: () => step(-1, isTrouble),
  v: () => { const id = order.find(id => events[id].violation); if (id !== undefined) choose(id); },
  Home: () => choose(order[0]), End: () => choose(order.at(-1)),
  "+": () => zoomTo(zoom * 1.4), "=": () => zoomTo(zoom * 1.4), "-": () => zoomTo(zoom / 1.4), 0: () => zoomTo(1),
  f: () => { zoomTo(smallest()); stage.scrollTop = 0; }, Enter: zoomIn,
  "/": () => search.focus(), "?": () => find("#keys").showModal(), Escape: () => choose(null),
};
document.addEventListener("keydown", event => {
  if (event.target === search || find("#keys").open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Enter" && event.target.tagName === "BUTTON") return;
  const act = keys[event.key];
  if (act && order.length) { event.preventDefault(); act(); }
});
find("#in").addEventListener("click", keys["+"]);
find("#out").addEventListener("click", keys["-"]);
find("#reset").addEventListener("click", keys[0]);
find("#fit").addEventListener("click", keys.f);
find("#trouble").addEventListener("click", keys.n);
find("#trouble").disabled = !order.some(isTrouble);
find("#help").addEventListener("click", keys["?"]);

stage.addEventListener("wheel", event => {
  if (!event.ctrlKey && !event.metaKey) return;
  event.preventDefault();
  zoomTo(zoom * Math.exp(-event.deltaY / 300), event.clientY - stage.getBoundingClientRect().top);
}, { passive: false });
let pan = null, panned = false;
stage.addEventListener("pointerdown", event => {
  panned = false;
  if (event.button === 0 && event.pointerType === "mouse") pan = { x: event.clientX + stage.scrollLeft, y: event.clientY + stage.scrollTop };
});
addEventListener("pointermove", event => {
  if (!pan) return;
  const [left, top] = [pan.x - event.clientX, pan.y - event.clientY];
  panned ||= Math.hypot(left - stage.scrollLeft, top - stage.scrollTop) > 4;
  if (panned) { stage.classList.add("pans"); stage.scrollTo(left, top); }
});
addEventListener("pointerup", () => { pan = null; stage.classList.remove("pans"); });
stage.addEventListener("click", event => {
  if (panned) return;
  const node = event.target.closest(".ev");
  choose(node ? +node.dataset.e : null, false);
});
stage.addEventListener("dblclick", event => { if (event.target.closest(".swarm")) zoomIn(); });
stage.addEventListener("pointermove", event => {
  const told = event.target.closest("[data-tip]")?.dataset.tip;
  tooltip.hidden = !told || pan !== null;
  if (tooltip.hidden) return;
  tooltip.textContent = told;
  const { width: wide, height: tall } = tooltip.getBoundingClientRect();
  tooltip.style.left = `${Math.min(event.clientX + 14, innerWidth - wide - 8)}px`;
  tooltip.style.top = `${event.clientY + 18 + tall > innerHeight ? event.clientY - tall - 10 : event.clientY + 18}px`;
});
stage.addEventListener("pointerleave", () => { tooltip.hidden = true; });
let scrolled = 0;
stage.addEventListener("scroll", () => {
  cancelAnimationFrame(scrolled);
  scrolled = requestAnimationFrame(openAll);
});
addEventListener("beforeprint", () => { zoom = 1; stretch(); });
const asked = /^#e(\d+)$/.exec(location.hash);
stretch();
if (asked && nodes.has(+asked[1])) choose(+asked[1]);
