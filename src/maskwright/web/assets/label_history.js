// What undo and redo take back: changes of the objects, image by image, and changes of the classes, which are of all.

/** @typedef {import("./label_api.js").Drawn} Drawn */
/** @typedef {{at: number, objects: Drawn[]}} Before  the objects of an image before a change */
/** @typedef {{at: number, asked: any, number: number}} ClassEntry  a change of the classes, and the version that it made */
/** @typedef {"undo" | "redo"} Which */

export class History {
  constructor() {
    this.clock = 0;
    /** @type {Map<number, {undo: Before[], redo: Before[]}>} */
    this.images = new Map();
    /** @type {{undo: ClassEntry[], redo: ClassEntry[]}} */
    this.classes = { undo: [], redo: [] };
  }

  /** @param {number} index */
  of(index) {
    const found = this.images.get(index) ?? { undo: [], redo: [] };
    this.images.set(index, found);
    return found;
  }

  /** Somebody else has changed the image. @param {number} index */
  forget(index) {
    this.images.delete(index);
  }

  /** A new change: what was undone before it cannot be redone. @param {number} index @param {Drawn[]} before */
  changed(index, before) {
    this.push("undo", index, before);
    this.of(index).redo = [];
    this.classes.redo = [];
  }

  /** @param {number} index of the image that is shown @param {any} asked @param {number} number */
  changedClasses(index, asked, number) {
    this.pushClasses("undo", asked, number);
    this.of(index).redo = [];
    this.classes.redo = [];
  }

  /** @param {Which} which @param {number} index @param {Drawn[]} objects */
  push(which, index, objects) {
    this.of(index)[which].push({ at: ++this.clock, objects });
  }

  /** @param {Which} which @param {any} asked @param {number} number */
  pushClasses(which, asked, number) {
    this.classes[which].push({ at: ++this.clock, asked, number });
  }

  /** The latest of an image, or of the classes. @param {Which} which @param {number} index @returns {Before | ClassEntry | undefined} */
  pop(which, index) {
    const image = this.of(index)[which], classes = this.classes[which];
    return (classes.at(-1)?.at ?? 0) > (image.at(-1)?.at ?? 0) ? classes.pop() : image.pop();
  }

  /** The same objects under other classes. @param {(objects: Drawn[], index: number) => Drawn[]} relabeled */
  relabel(relabeled) {
    for (const [index, { undo, redo }] of this.images) {
      for (const one of [...undo, ...redo]) one.objects = relabeled(one.objects, index);
    }
  }
}
