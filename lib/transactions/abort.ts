interface Listeners {
  readonly callbacks: Set<(reason: unknown) => void>;
  readonly onAbort: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls back with the signal's reason when it aborts, until the returned function is called. However many operations share
 * a signal, it gets one listener: each further one would cost it a walk along all others, and from the eleventh on a
 * warning. A signal is the user's, and so is what its properties do: all that can throw here is the call itself.
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
      // It calls back for nobody.
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

/** Why it was aborted, or what it throws instead of telling. */
export function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch (error) {
    return error;
  }
}
