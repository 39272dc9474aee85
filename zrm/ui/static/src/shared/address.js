// A page that refuses a form stands in the browser's history as that form: Back and reload would offer to send it again.
// Under an address of its own it is asked for instead.
export function startAddress() {
  const { address } = document.body.dataset;
  if (address) history.replaceState(history.state, "", address);
}
