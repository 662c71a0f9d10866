// What the page does beyond standing there: search and filter, one treatment at a time, claims in a dialog. Without it
// everything is shown.
"use strict";
(() => {
  const claims = [...document.querySelectorAll("details.claim")];
  const finder = document.querySelector(".finder");

  function find() {
    const asked = document.getElementById("words").value.toLowerCase().replace(/table\s+(?=\w)/g, "table"); // Table 1: table1
    const words = asked.split(/\s+/).filter(Boolean);
    const chosen = [...finder.querySelectorAll("select")].filter((select) => select.value);
    let count = 0;
    for (const claim of claims) {
      const fits = words.every((word) => claim.dataset.words.includes(word)) &&
        chosen.every((select) => claim.dataset[select.dataset.facet] === select.value);
      claim.hidden = !fits;
      count += fits;
    }
    document.getElementById("found").textContent = `${count} of ${claims.length} claims`;
  }

  if (finder) {
    finder.hidden = false;
    finder.addEventListener("input", find);
    find();
  }

  for (const area of document.querySelectorAll(".switch")) {
    const parts = [...area.querySelectorAll(":scope > .option")];
    const bar = document.createElement("div");
    bar.className = "choose";
    bar.setAttribute("role", "group");
    for (const part of parts) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = part.dataset.name;
      button.addEventListener("click", () => {
        for (const other of parts) other.hidden = other !== part;
        for (const other of bar.children) other.setAttribute("aria-pressed", String(other === button));
      });
      bar.append(button);
    }
    area.prepend(bar);
    bar.firstElementChild.click();
  }

  const dialog = document.getElementById("shown");

  function show(claim) {
    const copy = claim.cloneNode(true);
    copy.removeAttribute("id");
    copy.hidden = false;
    copy.open = true;
    for (const link of copy.querySelectorAll("a[href^='#']")) { // figures stand beside the claim that they answer
      const figure = document.getElementById(link.hash.slice(1))?.nextElementSibling;
      if (figure?.tagName === "FIGURE") copy.append(figure.cloneNode(true));
    }
    dialog.querySelector("div").replaceChildren(copy);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
    const link = event.target.closest("a[href^='#']");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const place = document.getElementById(decodeURIComponent(link.hash.slice(1)));
    if (place && place.matches("details.claim")) {
      event.preventDefault();
      show(place);
    } else if (dialog.open) {
      dialog.close();
    }
  });

  function open() {
    let place = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!place) return;
    place.hidden = false;
    for (let around = place; around; around = around.parentElement) {
      if (around.tagName === "DETAILS") around.open = true;
      if (around.matches(".option[hidden]")) {
        around.parentElement.querySelector(".choose").children[[...around.parentElement.querySelectorAll(":scope > .option")].indexOf(around)].click();
      }
    }
    place.scrollIntoView();
  }
  window.addEventListener("hashchange", open);
  open();
})();
