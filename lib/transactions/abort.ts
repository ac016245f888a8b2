interface Listeners {
  readonly callbacks: Set<() => void>;
  readonly onAbort: () => void;
}

const listenersOf = new WeakMap<AbortSignal, Listeners>();

/**
 * Calls back when the signal aborts, until the returned function is called. However many operations share a signal, it
 * gets one listener: each further one would cost it a walk along all others, and from the eleventh on a warning.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let listeners = listenersOf.get(signal);
  if (listeners === undefined) {
    const callbacks = new Set<() => void>();
    listeners = {
      callbacks,
      onAbort: () => {
        listenersOf.delete(signal);
        for (const each of callbacks) each();
      },
    };
    listenersOf.set(signal, listeners);
    signal.addEventListener('abort', listeners.onAbort, { once: true });
  }
  const { callbacks, onAbort } = listeners;
  callbacks.add(callback);
  return () => {
    if (!callbacks.delete(callback) || callbacks.size > 0 || signal.aborted) return;
    listenersOf.delete(signal);
    signal.removeEventListener('abort', onAbort);
  };
}
