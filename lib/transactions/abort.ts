interface Listeners {
  readonly callbacks: Set<(reason: unknown) => void>;
  readonly onAbort: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls back with the signal's reason when it aborts, until the returned function is called. A signal gets one listener
 * however many operations share it: each additional listener would cost a walk along all others, and Node warns from
 * the eleventh on. The signal is the user's object, so its properties may throw; only this call itself throws.
 */
export function onAbort(signal: AbortSignal, callback: (reason: unknown) => void): () => void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    listeners = listenTo(signal);
    listenersOf.set(signal, listeners);
  }
  const { callbacks, onAbort } = listeners;
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0) return;
    listenersOf.delete(signal);
    try {
      signal.removeEventListener('abort', onAbort);
    } catch {
      // A leftover listener has no callbacks to call.
    }
  };
}

function listenTo(signal: AbortSignal): Listeners {
  const callbacks = new Set<(reason: unknown) => void>();
  const onAbort = (): void => {
    listenersOf.delete(signal);
    const reason = reasonOf(signal);
    for (const each of callbacks) each(reason);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return { callbacks, onAbort };
}

/** The abort reason, or the error that reading it throws. */
export function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}
