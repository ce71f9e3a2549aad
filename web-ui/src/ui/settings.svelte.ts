/** What this browser remembers about its user: language, colours, sounds. Nothing of the shop's. */
import type { Lang } from '../core/money.ts';
import { en, type Messages } from './messages/en.ts';
import { vi } from './messages/vi.ts';

export type Theme = 'auto' | 'light' | 'dark';

const MESSAGES: Record<Lang, Messages> = { en, vi };

/** Storage may be forbidden (private windows); the page then forgets, and works. */
export function remembered(key: string): string | null {
  try {
    return localStorage.getItem(`tradepost.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`tradepost.${key}`);
    else localStorage.setItem(`tradepost.${key}`, value);
  } catch {
    // Forgetting is harmless.
  }
}

function firstLang(): Lang {
  const chosen = remembered('lang') ?? navigator.language;
  return chosen.toLowerCase().startsWith('vi') ? 'vi' : 'en';
}

function firstTheme(): Theme {
  const chosen = remembered('theme');
  return chosen === 'light' || chosen === 'dark' ? chosen : 'auto';
}

class Settings {
  #lang = $state<Lang>(firstLang());
  #theme = $state<Theme>(firstTheme());
  #sound = $state(remembered('sound') !== 'off');

  constructor() {
    this.#apply();
  }

  get lang(): Lang {
    return this.#lang;
  }
  set lang(lang: Lang) {
    this.#lang = lang;
    remember('lang', lang);
    this.#apply();
  }

  get theme(): Theme {
    return this.#theme;
  }
  set theme(theme: Theme) {
    this.#theme = theme;
    remember('theme', theme === 'auto' ? null : theme);
    this.#apply();
  }

  get sound(): boolean {
    return this.#sound;
  }
  set sound(on: boolean) {
    this.#sound = on;
    remember('sound', on ? null : 'off');
  }

  /** The messages in the chosen language. */
  get t(): Messages {
    return MESSAGES[this.#lang];
  }

  #apply(): void {
    document.documentElement.lang = this.#lang;
    document.documentElement.dataset.theme = this.#theme;
  }
}

export const settings = new Settings();
