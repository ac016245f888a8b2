/** How far a backup has come, in bytes; `total` is an upper bound until the last call. */
export interface BackupProgress {
  readonly done: number;
  readonly total: number;
}

export interface BackupOptions {
  /** Leaves out what is free in the file: slower, and smaller. Default false. */
  readonly compact?: boolean | undefined;
  /** Called several times a second, and once when all is copied. What it throws gives the backup up. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
  /** Gives the backup up: it rejects with the signal's reason, and nothing of it is left. */
  readonly signal?: AbortSignal | undefined;
}
