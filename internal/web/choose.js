// Choosing invoices without the mouse: all of a page by one box, several with Shift, and
// from one to the next by the arrows. Without it each box is chosen by itself.
"use strict";

const form = document.querySelector("form.deciding");
const boxes = form ? [...form.querySelectorAll("input[name=pick]")] : [];
const everyone = document.createElement("input");
let last = null; // that was chosen or passed by

// tell says on the box above all whether all, some or none are chosen, and how many.
function tell() {
  const chosen = boxes.filter((box) => box.checked).length;
  everyone.checked = chosen === boxes.length;
  everyone.indeterminate = chosen > 0 && !everyone.checked;
  count.textContent = chosen === 0 ? "" : ` ${chosen} chosen`;
}

// extend chooses what lies between two boxes as the second one is.
function extend(from, to) {
  const [first, end] = [boxes.indexOf(from), boxes.indexOf(to)].sort((a, b) => a - b);
  for (const box of boxes.slice(first, end + 1)) box.checked = to.checked;
}

const count = document.createElement("span");
if (boxes.length > 1) {
  everyone.type = "checkbox";
  everyone.className = "everyone";
  everyone.setAttribute("aria-label", "choose all on this page");
  count.setAttribute("role", "status");
  count.className = "small";
  form.querySelector("thead th").append(document.createElement("br"), everyone);
  form.querySelector(".choose p:last-child").append(count);
  everyone.addEventListener("change", () => { for (const box of boxes) box.checked = everyone.checked; tell(); });
  for (const box of boxes) {
    box.addEventListener("click", (event) => { if (event.shiftKey && last) extend(last, box); last = box; tell(); });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      const next = step && boxes[boxes.indexOf(box) + step];
      if (!next) return;
      event.preventDefault();
      if (event.shiftKey) { next.checked = box.checked; tell(); }
      last = next;
      next.focus();
    });
  }
  addEventListener("pageshow", tell);
  tell();
}
