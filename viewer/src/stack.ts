/** A stack of images in Cornerstone, with the mouse and keys of a reading station. */
import {
  cache,
  Enums,
  imageLoader,
  init,
  RenderingEngine,
  StackViewport,
  setUseCPURendering,
  utilities,
} from '@cornerstonejs/core';
import { registerImageLoader } from './image-loader.ts';

const engineId = 'archive';
const viewportId = 'stage';
/** Images that are decoded are kept as far as this goes. */
const mostCacheBytes = 768 << 20;
/** How many images before and behind the one that is shown are fetched ahead. */
const ahead = 24;

export interface StackView {
  readonly index: number;
  readonly count: number;
  readonly center: number;
  readonly width: number;
  readonly zoom: number;
}

let isReady = false;

/** Prepares Cornerstone. It draws without a graphics card: a laptop that is at hand in an emergency need not have one. */
function prepare(): void {
  if (isReady) return;
  init();
  setUseCPURendering(true);
  cache.setMaxCacheSize(mostCacheBytes);
  registerImageLoader();
  isReady = true;
}

export class Stack {
  readonly #element: HTMLDivElement;
  readonly #engine: RenderingEngine;
  readonly #onChange: (view: StackView) => void;
  readonly #onProblem: (problem: unknown) => void;
  readonly #stopping = new AbortController();
  #imageIds: readonly string[] = [];
  #index = 0;
  #shown: Promise<void> = Promise.resolve();
  #wanted: number | undefined;
  #playing = 0;

  constructor(element: HTMLDivElement, onChange: (view: StackView) => void, onProblem: (problem: unknown) => void) {
    prepare();
    this.#element = element;
    this.#onChange = onChange;
    this.#onProblem = onProblem;
    this.#engine = new RenderingEngine(engineId);
    this.#engine.enableElement({ viewportId, type: Enums.ViewportType.STACK, element });
    this.#listen();
  }

  async show(imageIds: readonly string[], index = 0): Promise<void> {
    this.stop();
    this.#imageIds = imageIds;
    this.#index = index;
    try {
      await this.#viewport.setStack([...imageIds], index);
      this.#viewport.render();
      this.#changed();
    } catch (problem) {
      this.#onProblem(problem);
    }
  }

  /** Goes to an image; while one is being loaded, only the last one that was asked for follows. */
  goTo(index: number): void {
    const target = Math.min(Math.max(index, 0), this.#imageIds.length - 1);
    if (target === (this.#wanted ?? this.#index)) return;
    const isBusy = this.#wanted !== undefined;
    this.#wanted = target;
    if (!isBusy) this.#shown = this.#shown.then(() => this.#follow());
  }

  scroll(by: number): void {
    this.goTo((this.#wanted ?? this.#index) + by);
  }

  setWindow(center: number, width: number): void {
    this.#viewport.setProperties({
      voiRange: utilities.windowLevel.toLowHighRange(width, center, Enums.VOILUTFunctionType.LINEAR),
    });
    this.#viewport.render();
    this.#changed();
  }

  zoom(factor: number): void {
    this.#viewport.setZoom(Math.min(Math.max(this.#viewport.getZoom() * factor, 0.05), 40));
    this.#viewport.render();
    this.#changed();
  }

  invert(): void {
    this.#viewport.setProperties({ invert: this.#viewport.getProperties().invert !== true });
    this.#viewport.render();
  }

  reset(): void {
    this.#viewport.resetProperties();
    this.#viewport.resetCamera();
    this.#viewport.render();
    this.#changed();
  }

  /** Runs through the images and begins again, until it is stopped. */
  play(perSecond = 15): void {
    if (this.#playing !== 0) {
      this.stop();
      return;
    }
    this.#playing = window.setInterval(() => {
      if (this.#wanted === undefined) this.goTo((this.#index + 1) % this.#imageIds.length);
    }, 1_000 / perSecond);
  }

  stop(): void {
    window.clearInterval(this.#playing);
    this.#playing = 0;
  }

  resize(): void {
    this.#engine.resize(true, true);
  }

  close(): void {
    this.stop();
    this.#stopping.abort();
    this.#engine.destroy();
  }

  get #viewport(): StackViewport {
    const viewport = this.#engine.getViewport(viewportId);
    if (viewport instanceof StackViewport) return viewport;
    throw new Error('there is no stack on the stage');
  }

  /** As DICOM tells it (PS3.3, C.11.2.1.2.1). */
  get #window() {
    const { lower, upper } = this.#viewport.getProperties().voiRange ?? { lower: 0, upper: 0 };
    return utilities.windowLevel.toWindowLevel(lower, upper);
  }

  async #follow(): Promise<void> {
    while (this.#wanted !== undefined && !this.#stopping.signal.aborted) {
      const target = this.#wanted;
      try {
        await this.#viewport.setImageIdIndex(target);
        this.#index = target;
        this.#viewport.render();
        this.#changed();
      } catch (problem) {
        this.#onProblem(problem);
      }
      if (this.#wanted === target) this.#wanted = undefined;
    }
  }

  #changed(): void {
    const { windowCenter: center, windowWidth: width } = this.#window;
    this.#onChange({
      index: this.#index,
      count: this.#imageIds.length,
      center,
      width,
      zoom: this.#viewport.getZoom(),
    });
    this.#fetchAhead();
  }

  /** Fetches neighbours one after the other, the nearest first. */
  #fetchAhead(): void {
    const from = this.#index;
    const near = Array.from({ length: 2 * ahead }, (_, step) => from + (step % 2 === 0 ? 1 : -1) * (1 + (step >> 1)));
    const ids = near.map((index) => this.#imageIds[index]).filter((id) => id !== undefined);
    void (async () => {
      for (const id of ids) {
        if (this.#index !== from || this.#stopping.signal.aborted) return;
        if (cache.getImageLoadObject(id) === undefined) await imageLoader.loadAndCacheImage(id).catch(() => undefined);
      }
    })();
  }

  #listen(): void {
    const { signal } = this.#stopping;
    const element = this.#element;
    element.addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
    element.addEventListener(
      'wheel',
      (event) => {
        event.preventDefault();
        if (event.ctrlKey) this.zoom(event.deltaY < 0 ? 1.1 : 1 / 1.1);
        else this.scroll(Math.sign(event.deltaY));
      },
      { signal, passive: false },
    );
    let held: { readonly button: number; x: number; y: number } | undefined;
    element.addEventListener(
      'pointerdown',
      (event) => {
        element.setPointerCapture(event.pointerId);
        const button = event.shiftKey ? 1 : event.button;
        held = { button, x: event.clientX, y: event.clientY };
      },
      { signal },
    );
    element.addEventListener('pointerup', () => (held = undefined), { signal });
    element.addEventListener(
      'pointermove',
      (event) => {
        if (held === undefined) return;
        const [dx, dy] = [event.clientX - held.x, event.clientY - held.y];
        [held.x, held.y] = [event.clientX, event.clientY];
        this.#drag(held.button, dx, dy);
      },
      { signal },
    );
    const observer = new ResizeObserver(() => this.resize());
    observer.observe(element);
    signal.addEventListener('abort', () => observer.disconnect());
  }

  /** Left: window. Middle, or left with shift: move. Right: zoom. */
  #drag(button: number, dx: number, dy: number): void {
    if (button === 0) {
      const { windowCenter: center, windowWidth: width } = this.#window;
      const step = Math.max(width / 300, 0.01);
      this.setWindow(center + dy * step, Math.max(width + dx * step, 1));
    } else if (button === 2) {
      this.zoom(1 - dy / 200);
    } else {
      const [x, y] = this.#viewport.getPan();
      this.#viewport.setPan([x + dx, y + dy]);
      this.#viewport.render();
    }
  }
}
