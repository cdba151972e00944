/**
 * Runs the page's widgets without a kernel.
 *
 * A notebook stores the state of its widgets, the text of their JavaScript included; a built page has it in
 * its head. This script is what JupyterLab is to them: it gives each one a model and a place to draw (the
 * anywidget front-end module interface, https://anywidget.dev/en/afm/). There is no Python behind the page:
 * `save_changes` and `send` go nowhere, and several views of one model stay in step through the model itself.
 */
(() => {
  "use strict";

  const STATE = 'script[type="application/vnd.jupyter.widget-state+json"]';
  const VIEW = 'script[type="application/vnd.jupyter.widget-view+json"]';

  /** Calls `create` once for each key and remembers what it gave: equal texts are imported once. */
  const once = (create) => {
    const made = new Map();
    return (key) => made.get(key) ?? made.set(key, create(key)).get(key);
  };

  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);

  const importText = once((text) => {
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    return import(url);
  });

  const injectStyle = once((text) => document.head.appendChild(make("style", { textContent: text })));

  /** Values are compared by what they hold, as Jupyter does, except binary ones. */
  const equal = (a, b) =>
    Object.is(a, b) ||
    (typeof a === "object" && !ArrayBuffer.isView(a) && JSON.stringify(a) === JSON.stringify(b));

  class Model {
    #state;
    #listeners = [];

    constructor(state) {
      this.#state = state;
    }

    get(name) {
      return this.#state[name];
    }

    /** Takes a name and a value or an object of them. All are set before anyone hears of the first. */
    set(names, value) {
      const given = typeof names === "string" ? { [names]: value } : names;
      const changed = Object.keys(given).filter((name) => !equal(this.#state[name], given[name]));
      for (const name of changed) this.#state[name] = given[name];
      for (const name of changed) this.#emit(`change:${name}`, this, this.#state[name]);
      if (changed.length) this.#emit("change", this);
      return this;
    }

    /** Several events may be named in one text, apart by spaces, as in Backbone. */
    on(events, callback, context) {
      for (const event of events.split(/\s+/)) this.#listeners.push({ event, callback, context });
      return this;
    }

    /** What is left out or null matches everything. */
    off(events, callback, context) {
      const names = events?.split(/\s+/);
      this.#listeners = this.#listeners.filter(
        (one) =>
          (names && !names.includes(one.event)) ||
          (callback && callback !== one.callback) ||
          (context && context !== one.context),
      );
      return this;
    }

    save_changes() {}

    send() {}

    #emit(event, ...values) {
      const heard = this.#listeners.filter((one) => one.event === event);
      for (const { callback, context } of heard) callback.apply(context, values);
    }
  }

  /** Puts a trait's binary value where it was taken from when the notebook was saved. */
  const restoreBuffer = (state, { path, data }) => {
    const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
    const last = path.length - 1;
    const owner = path.slice(0, last).reduce((value, key) => value[key], state);
    owner[path[last]] = new DataView(bytes.buffer);
  };

  /** Makes a model from its stored state and loads its module: what all its views share. */
  const start = async ({ state, buffers = [] }) => {
    for (const buffer of buffers) restoreBuffer(state, buffer);
    const model = new Model(state);
    if (state._css) injectStyle(state._css);
    const { default: exported } = await importText(state._esm);
    if (!exported) throw new Error("its module has no default export");
    const widget = typeof exported === "function" ? await exported() : exported;
    const { signal } = new AbortController();
    await widget.initialize?.({ model, signal });
    return { model, widget, signal };
  };

  const say = (box, className, text) => {
    box.replaceChildren(make("p", { className, textContent: text }));
  };

  const show = async (box) => {
    try {
      const { model_id: id } = JSON.parse(box.querySelector(VIEW).textContent);
      const entry = entries()[id];
      if (!entry) throw new Error("its state was not saved with the notebook");
      if (!entry.state._esm) return say(box, "dlt-widget-note", "This control is live in the notebook.");
      const { model, widget, signal } = await startOnce(entry);
      const el = make("div");
      box.replaceChildren(el);
      await widget.render?.({ model, el, signal });
      box.dataset.dltLive = "true";
    } catch (error) {
      say(box, "dlt-widget-error", `This widget could not start: ${error.message ?? error}`);
      console.error(error);
    } finally {
      box.removeAttribute("aria-busy");
    }
  };

  const readOnce = once((script) => JSON.parse(script.textContent).state);
  const entries = () => Object.assign({}, ...[...document.querySelectorAll(STATE)].map(readOnce));
  const startOnce = once(start);

  /** Brings one place to life. The page calls it from each, so no widget waits for the rest of the page. */
  globalThis.dltHost = show;
})();
