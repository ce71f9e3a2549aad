/** Short messages at the foot of the page; one may carry an action such as "Undo". */

export interface Toast {
  id: number;
  kind: 'info' | 'error';
  text: string;
  /** Small print: the problem's code and trace id, for support. */
  detail?: string;
  action?: { label: string; run: () => void };
}

const SHOWN_MS = { info: 8000, error: 15_000 };
const SHOWN_MAX = 3;

class Toasts {
  list = $state<Toast[]>([]);
  #next = 1;

  show(toast: Omit<Toast, 'id'>): void {
    const id = this.#next++;
    // Only the newest error matters: the one before was answered by doing something else.
    const others = this.list.filter((old) => old.text !== toast.text && (old.kind === 'info' || toast.kind === 'info'));
    this.list = [...others, { ...toast, id }].slice(-SHOWN_MAX);
    setTimeout(() => this.close(id), SHOWN_MS[toast.kind]);
  }

  close(id: number): void {
    this.list = this.list.filter((toast) => toast.id !== id);
  }

  /** Closes what went wrong before; called when the next thing went right. */
  clearErrors(): void {
    this.list = this.list.filter((toast) => toast.kind !== 'error');
  }
}

export const toasts = new Toasts();
