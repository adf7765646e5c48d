// The search of the site: over the list that index.js holds, in the page itself,
// so that it works from a folder as well as from a server.
//
// An entry is found if each word of the question begins a word of its title, its
// place or its text. Names count by their parts, too: "wait for" and "wait_for"
// both find asyncio_wait_for. A hit in the title is worth most; among equals the
// guide comes first, then the reference, then the rest, which is their order in
// the list.
"use strict";

// What says nothing about what is looked for, unless nothing else was asked.
const small = new Set("a an and can do how i in is it my of on the to what".split(" "));

function words(text) {
  return text.toLowerCase().split(/[^a-z0-9]+/).filter(Boolean);
}

function asked(text) {
  const all = words(text);
  const telling = all.filter((word) => !small.has(word));
  return telling.length ? telling : all;
}

// How well one entry answers; 0: not at all.
function score(entry, question) {
  const title = words(entry.t);
  const rest = words(entry.p + " " + entry.x);
  let sum = 0;
  for (const word of question) {
    if (title.includes(word)) sum += 8;
    else if (title.some((w) => w.startsWith(word))) sum += 4;
    else if (rest.some((w) => w.startsWith(word))) sum += 1;
    else return 0;
  }
  // Of two titles with all the words, the one that says nothing else.
  const others = title.filter((w) => w !== "asyncio" && !question.includes(w));
  return sum + 4 / (1 + others.length);
}

function search(index, text, limit) {
  const question = asked(text);
  if (!question.length) return [];
  return index
    .map((entry) => ({ entry, score: score(entry, question) }))
    .filter((hit) => hit.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, limit)
    .map((hit) => hit.entry);
}

function show(list, root, entries) {
  list.replaceChildren(
    ...entries.map((entry) => {
      const item = document.createElement("li");
      const link = document.createElement("a");
      link.href = root + entry.u;
      link.textContent = entry.t;
      const place = document.createElement("small");
      place.textContent = " " + entry.p;
      item.append(link, place);
      return item;
    })
  );
}

function start() {
  const box = document.getElementById("search");
  const list = document.getElementById("found");
  box.addEventListener("input", () =>
    show(list, box.dataset.root, search(searchIndex, box.value, 12))
  );
  box.addEventListener("keydown", (event) => {
    const first = list.querySelector("a");
    if (event.key === "Enter" && first) location.href = first.href;
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target === box) return;
    event.preventDefault();
    box.focus();
  });
}

if (typeof document !== "undefined") start();
else module.exports = { search };
