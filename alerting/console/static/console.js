// Says when the page can no longer follow what happens: the data on it are then old.
const say = (old) => { document.getElementById("offline").hidden = !old; };
document.addEventListener("htmx:sendError", () => say(true));
document.addEventListener("htmx:timeout", () => say(true));
document.addEventListener("htmx:beforeSwap", (event) => {
  // Only a page of the console, an error page too, has the part to be replaced; a bare refusal would leave nothing.
  const usable = event.detail.xhr.responseText.includes('id="wall"');
  event.detail.shouldSwap = event.detail.shouldSwap && usable;
  say(!usable);
});

// Ids can be copied where the browser lets a page do so; everywhere else one click selects them.
const offerCopies = (root) => {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
};
document.addEventListener("DOMContentLoaded", () => offerCopies(document));
document.addEventListener("htmx:load", (event) => offerCopies(event.target));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
});
