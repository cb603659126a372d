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
