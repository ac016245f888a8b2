/** The progress of a backup in bytes; `total` is an upper bound until the last call. */
export interface BackupProgress {
  readonly done: number;
  readonly total: number;
}

export interface BackupOptions {
  /** true: leaves out the free pages of the file, which is slower but makes the copy smaller. Default false. */
  readonly compact?: boolean | undefined;
  /** Called several times a second, and once after everything is copied. An error that it throws cancels the backup. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
  /** Cancels the backup: it rejects with the signal's reason, and the partial copy is removed. */
  readonly signal?: AbortSignal | undefined;
}
