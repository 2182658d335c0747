// Seals the address and key of a model endpoint in the browser, so that the desk never sees them.
//
// RFC 9180 HPKE, base mode, single shot: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.
// Opens only with the gateway's private key (slipway.gateway.upstream_secret).
// The output is base64(enc || ciphertext). Everything is done with WebCrypto; nothing is sent from here.

const INFO = new TextEncoder().encode("slipway upstream v1");
const VERSION = new TextEncoder().encode("HPKE-v1");
const KEM_SUITE = concat(ascii("KEM"), u16(0x0010));
const HPKE_SUITE = concat(ascii("HPKE"), u16(0x0010), u16(0x0001), u16(0x0002));
const EMPTY = new Uint8Array(0);

function ascii(text) {
  return new TextEncoder().encode(text);
}

function u16(value) {
  return new Uint8Array([value >> 8, value & 0xff]);
}

function concat(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

async function hmac(key, data) {
  // WebCrypto refuses an empty HMAC key; 32 zero bytes are the same key by HMAC's own padding.
  const raw = key.length ? key : new Uint8Array(32);
  const handle = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", handle, data));
}

async function labeledExtract(suite, salt, label, ikm) {
  return hmac(salt, concat(VERSION, suite, ascii(label), ikm));
}

async function labeledExpand(suite, prk, label, info, length) {
  const labeled = concat(u16(length), VERSION, suite, ascii(label), info);
  let block = EMPTY;
  let out = EMPTY;
  for (let i = 1; out.length < length; i += 1) {
    block = await hmac(prk, concat(block, labeled, new Uint8Array([i])));
    out = concat(out, block);
  }
  return out.slice(0, length);
}

function spkiFromPem(pem) {
  const body = pem.replace(/-----(BEGIN|END) PUBLIC KEY-----/g, "").replace(/\s+/g, "");
  return Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
}

function base64(bytes) {
  return btoa(Array.from(bytes, (b) => String.fromCharCode(b)).join(""));
}

/** Seal a plain object for the holder of the P-256 key in `pem`; returns base64(enc || ciphertext). */
export async function seal(pem, value) {
  const curve = { name: "ECDH", namedCurve: "P-256" };
  const recipient = await crypto.subtle.importKey("spki", spkiFromPem(pem), curve, true, []);
  const recipientRaw = new Uint8Array(await crypto.subtle.exportKey("raw", recipient));
  const ephemeral = await crypto.subtle.generateKey(curve, true, ["deriveBits"]);
  const enc = new Uint8Array(await crypto.subtle.exportKey("raw", ephemeral.publicKey));
  const dh = new Uint8Array(
    await crypto.subtle.deriveBits({ name: "ECDH", public: recipient }, ephemeral.privateKey, 256),
  );

  const prk = await labeledExtract(KEM_SUITE, EMPTY, "eae_prk", dh);
  const shared = await labeledExpand(KEM_SUITE, prk, "shared_secret", concat(enc, recipientRaw), 32);

  const context = concat(
    new Uint8Array([0]),
    await labeledExtract(HPKE_SUITE, EMPTY, "psk_id_hash", EMPTY),
    await labeledExtract(HPKE_SUITE, EMPTY, "info_hash", INFO),
  );
  const secret = await labeledExtract(HPKE_SUITE, shared, "secret", EMPTY);
  const key = await labeledExpand(HPKE_SUITE, secret, "key", context, 32);
  const nonce = await labeledExpand(HPKE_SUITE, secret, "base_nonce", context, 12);

  const handle = await crypto.subtle.importKey("raw", key, "AES-GCM", false, ["encrypt"]);
  // Padded with blanks (legal JSON) to 512: the sealed text must not tell how long address and key are.
  let plain = new TextEncoder().encode(JSON.stringify(value));
  plain = concat(plain, new Uint8Array((512 - (plain.length % 512)) % 512).fill(0x20));
  const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, handle, plain));
  return base64(concat(enc, sealed));
}

// --- the form -------------------------------------------------------------------------------------------

function complain(form, message) {
  const box = form.querySelector("[data-seal-error]");
  box.textContent = message;
  box.hidden = false;
  box.focus();
}

async function submitSealed(form) {
  const read = (name) => form.querySelector(`[data-secret="${name}"]`);
  const value = {
    base_url: read("base_url").value.trim().replace(/\/+$/, ""),
    api_key: read("api_key").value,
    model: read("model").value.trim(),
  };
  const problems = [];
  if (!/^https?:\/\/[^\s]+$/.test(value.base_url)) problems.push("Endpoint address: write a full address such as https://models.example/v1.");
  if (!value.model) problems.push("Model name at the endpoint: give the name that the endpoint itself uses.");
  if (problems.length) {
    complain(form, problems.join(" "));
    return;
  }
  form.querySelector("[name=sealed]").value = await seal(form.dataset.sealPem, value);
  // The three secret fields have no name attribute, so the browser never sends them; cleared all the same.
  for (const field of form.querySelectorAll("[data-secret]")) field.value = "";
  form.submit();
}

if (typeof document !== "undefined") {
  for (const form of document.querySelectorAll("form[data-seal-pem]")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      submitSealed(form).catch(() =>
        complain(form, "This browser could not seal the endpoint. Open the page over HTTPS or on localhost, or use the command line: slipway review endpoint."),
      );
    });
    form.querySelector("[data-seal-submit]").disabled = false;
  }
}
