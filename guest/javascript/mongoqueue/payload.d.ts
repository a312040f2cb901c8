/** Bytes of a media type, for what is not JSON. A string is written as UTF-8. */
export class Payload {
  readonly contentType: string;
  readonly data: Uint8Array;
  constructor(contentType: string, data: Uint8Array | string);
}

/** The host refused, or failed. */
export class HostError extends Error {
  /** Which of the host's errors. */
  readonly code:
    | 'access-denied'
    | 'limit-exceeded'
    | 'invalid-argument'
    | 'duplicate'
    | 'no-such-job'
    | 'lease-lost'
    | 'unavailable'
    | 'other';
  /** Of `duplicate`, the id of the live job that has the key; of others, words for people. */
  readonly detail?: string;
}
