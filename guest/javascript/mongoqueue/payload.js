// Values to payloads and back, and the host's errors as JavaScript's.

const JSON_TYPE = 'application/json';

/** Bytes of a media type, for what is not JSON. */
export class Payload {
  constructor(contentType, data) {
    this.contentType = contentType;
    this.data = typeof data === 'string' ? new TextEncoder().encode(data) : data;
  }
}

/** The host refused, or failed. Its code is a short stable name, for example `lease-lost`. */
export class HostError extends Error {
  name = 'HostError';

  constructor(error) {
    const { tag, val } = error;
    super(val === undefined ? tag : `${tag}: ${val}`);
    this.code = tag;
    /** Of `duplicate`, the id of the live job that has the key; of others, words for people. */
    this.detail = val;
  }
}

/** Calls the host; what it refuses is thrown as a {@link HostError}. */
export function called(call) {
  try {
    return call();
  } catch (error) {
    throw error?.payload?.tag ? new HostError(error.payload) : error;
  }
}

const isJson = (contentType) => {
  const media = contentType.split(';')[0].trim().toLowerCase();
  return media === JSON_TYPE || media.endsWith('+json');
};

// The host's bindings may make arrays of another kind than ours.
const bytes = (data) => (data instanceof Uint8Array ? data : Uint8Array.from(data));

/** JSON as a value, anything else as its bytes. */
export function read({ contentType, data: given }) {
  const data = bytes(given);
  return isJson(contentType) ? JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data), exact) : data;
}

// A whole number that a Number would change is a BigInt.
function exact(_key, value, context) {
  const inexact = typeof value === 'number' && !Number.isSafeInteger(value);
  return inexact && /^-?\d+$/.test(context?.source ?? '') ? BigInt(context.source) : value;
}

/** A payload as it is, bytes as bytes, everything else as JSON. */
export function write(value) {
  if (value instanceof Payload) return value;
  if (value instanceof Uint8Array) return new Payload('application/octet-stream', value);
  const text = JSON.stringify(value, plain);
  if (text === undefined) throw new TypeError(`a ${typeof value} can't be written as JSON`);
  return new Payload(JSON_TYPE, text);
}

function plain(_key, value) {
  return typeof value === 'bigint' ? JSON.rawJSON(value.toString()) : value;
}

/** A length of time for the host. */
export function millis(delay, what) {
  if (!Number.isFinite(delay) || delay < 0) {
    throw new RangeError(`${what}: ${delay} is no number of milliseconds`);
  }
  return BigInt(Math.round(delay));
}
