"use strict";
// Reload when the server has another board than the one that is shown; the address stays.
(() => {
  let shown = null;
  new EventSource("/events").onmessage = (event) => {
    if (shown !== null && shown !== event.data) location.reload();
    shown = event.data;
  };
})();
