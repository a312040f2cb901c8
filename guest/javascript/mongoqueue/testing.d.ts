/** What the handler under test said, and what it is told. */
export const host: {
  progress: Array<{ count: bigint; total?: bigint; note?: string }>;
  saved?: { contentType: string; data: Uint8Array };
  lines: string[];
  /** Names that may be opened. */
  queues: string[];
  puts: Array<{ queue: string; payload: { contentType: string; data: Uint8Array }; options?: Record<string, unknown> }>;
  cancelled: boolean;
  remaining: number;
};

/** Forgets everything. */
export function reset(): void;

/** Makes an attempt: what the handler returned, or what it failed with. */
export function attempt(
  handler: { handle(job: unknown): Promise<unknown> },
  payload: unknown,
  job?: object,
): Promise<{ output?: any; failure?: any }>;
