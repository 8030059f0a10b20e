"use strict";
// The withdrawal form: the fee before, the states after; and everything that is pressed.

function sums() {
  const currency = page.currencies.get($("withdraw-currency").value);
  if (!currency) return null;
  const decimals = currency.decimals;
  const balance = page.balances.get(currency.currency);
  const withdrawable = money.parse(balance?.withdrawable ?? "0", decimals) ?? 0n;
  const fee = money.parse(currency.withdrawal_fee, decimals) ?? 0n;
  const amount = money.parse($("amount").value, decimals);
  return { currency, decimals, withdrawable, fee, amount, most: withdrawable > fee ? withdrawable - fee : 0n };
}

function renderForm() {
  const sum = sums();
  if (!sum) return;
  const { currency, decimals } = sum;
  const unit = (units) => `${money.tidy(money.format(units, decimals))} ${currency.currency}`;
  const isClosed = currency.withdrawals !== "open";
  $("withdraw-closed").hidden = !isClosed;
  $("withdraw-closed").textContent = isClosed ? TEXTS.currency_closed : "";
  $("send").disabled = isClosed || page.isSending === true;
  $("amount-hint").textContent = `You can withdraw up to ${unit(sum.most)}. Smallest: ${money.tidy(currency.minimum_withdrawal)} ${currency.currency}.`;
  $("fee").textContent = unit(sum.fee);
  $("total").textContent = sum.amount === null ? "–" : unit(sum.amount + sum.fee);
}

function mark(id, text) {
  $(`${id}-error`).textContent = text;
  $(id).setAttribute("aria-invalid", String(Boolean(text)));
  if (text) $(id).focus();
}

function check(sum) {
  for (const id of ["target", "amount"]) mark(id, "");
  $("form-error").textContent = "";
  if (sum.amount === null || sum.amount === 0n) mark("amount", TEXTS.invalid_amount);
  else if (sum.amount > sum.most) mark("amount", TEXTS.insufficient_funds);
  if (!$("target").value.trim()) mark("target", "Please enter the address to pay to.");
  return !$("target-error").textContent && !$("amount-error").textContent;
}

async function withdraw(event) {
  event.preventDefault();
  const sum = sums();
  if (page.isSending || !sum || !check(sum)) return;
  page.isSending = true;
  $("send").textContent = "Sending …";
  renderForm();
  // The same key until it is settled: pressing again after a lost answer cannot pay twice.
  page.key ??= newKey();
  const body = { currency: sum.currency.currency, amount: money.format(sum.amount, sum.decimals), address: $("target").value.trim() };
  try {
    const made = await page.client.call("POST", "withdrawals", body, page.key);
    page.payments.set(made.id, { ...made, way: "out", at: made.created_at });
    page.key = null;
    $("amount").value = $("target").value = "";
    $("said").textContent = "Your withdrawal was accepted.";
    await load();
  } catch (error) {
    if (isOver(error)) return;
    const isAddress = ["invalid_address", "wrong_network", "forbidden_address"].includes(error.code);
    if (isAddress || error.errors.some((item) => item.path === "address")) mark("target", TEXTS[error.code] ?? TEXTS.invalid_address);
    else $("form-error").textContent = human(error);
  } finally {
    page.isSending = false;
    $("send").textContent = "Withdraw";
    renderForm();
  }
}

async function cancelPayment(payment, button) {
  button.disabled = true;
  try {
    await page.client.call("POST", `withdrawals/${payment.id}/cancel`, undefined, `cancel-${payment.id}`);
    await load();
  } catch (error) {
    if (!isOver(error)) button.replaceWith(make("span", "error", human(error)));
  }
}

async function copy() {
  const text = $("address").textContent;
  try {
    await navigator.clipboard.writeText(text);
    $("copy").textContent = "Copied";
    $("said").textContent = "Address copied.";
  } catch {
    getSelection().selectAllChildren($("address"));
    $("copy").textContent = "Selected: now press Ctrl+C";
  }
  setTimeout(() => { $("copy").textContent = "Copy address"; }, 2500);
}

function moveTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const tabs = [...document.querySelectorAll("[role=tab]")].filter((tab) => !tab.hidden);
  const next = tabs[(tabs.indexOf(document.activeElement) + step + tabs.length) % tabs.length];
  select(next.id.slice(4));
  next.focus();
}

function close() {
  // Delivered only to a parent that is one of the sites allowed to frame us.
  for (const origin of document.body.dataset.ancestors.split(" ").filter(Boolean)) {
    window.parent.postMessage({ type: "cashier:close" }, origin);
  }
}

for (const tab of document.querySelectorAll("[role=tab]")) tab.addEventListener("click", () => select(tab.id.slice(4)));
document.querySelector("[role=tablist]").addEventListener("keydown", moveTab);
$("deposit-currency").addEventListener("change", showAddress);
$("withdraw-currency").addEventListener("change", () => { page.key = null; $("amount").value = ""; renderForm(); });
for (const id of ["amount", "target"]) {
  $(id).addEventListener("input", () => {
    page.key = null;
    $(`${id}-error`).textContent = "";
    $(id).removeAttribute("aria-invalid");
    renderForm();
  });
}
$("all").addEventListener("click", () => {
  const sum = sums();
  if (sum) $("amount").value = money.tidy(money.format(sum.most, sum.decimals));
  page.key = null;
  renderForm();
});
$("withdraw").addEventListener("submit", withdraw);
$("copy").addEventListener("click", copy);
$("close").addEventListener("click", close);
start();
