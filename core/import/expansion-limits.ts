/** Bounds of what one file may unfold to: an archive can be made to unfold without end ("zip bomb"). */
import { MirrorError } from '../errors.ts';

export interface ExpansionLimits {
  /** How many archives may lie in each other. */
  readonly maxDepth: number;
  /** How many members one file on disk may unfold to, all levels together: one for so many of its bytes, … */
  readonly bytesPerMember: number;
  /** … but not less than so many, and not more than so many. */
  readonly floorMembers: number;
  readonly maxMembers: number;
  /** How many bytes one file on disk may unfold to: `maxRatio` times its size, but not less than `floorBytes`. */
  readonly maxRatio: number;
  readonly floorBytes: number;
}

/**
 * Real DICOM files shrink to no less than a hundredth, and exports are nested twice at most. The smallest instances take
 * some 300 bytes of a compressed archive; a member that is nothing but its name takes three, and a line of the report.
 */
export const defaultExpansionLimits: ExpansionLimits = {
  maxDepth: 5,
  bytesPerMember: 64,
  floorMembers: 10_000,
  maxMembers: 5_000_000,
  maxRatio: 200,
  floorBytes: 1024 ** 3,
};

/** Counts what one file on disk unfolds to. */
export class ExpansionBudget {
  readonly limits: ExpansionLimits;
  #bytesLeft: number;
  readonly #mostMembers: number;
  #membersLeft: number;

  constructor(limits: ExpansionLimits, sizeBytes: number) {
    this.limits = limits;
    this.#bytesLeft = Math.max(limits.floorBytes, limits.maxRatio * sizeBytes);
    const members = Math.max(limits.floorMembers, Math.ceil(sizeBytes / limits.bytesPerMember));
    this.#mostMembers = Math.min(limits.maxMembers, members);
    this.#membersLeft = this.#mostMembers;
  }

  /** Counts a member. Throws `refused` when there are too many. */
  countMember(): void {
    this.#membersLeft -= 1;
    if (this.#membersLeft < 0) {
      throw this.#exceeded(`more than ${this.#mostMembers} members`);
    }
  }

  /**
   * Passes unpacked bytes on and counts them; bytes that are read again are counted once.
   * The stream throws `refused` when there are too many.
   */
  counted(read: () => AsyncIterable<Uint8Array>): () => AsyncIterable<Uint8Array> {
    let countedBytes = 0;
    const count = (position: number) => {
      if (position > countedBytes) {
        this.#bytesLeft -= position - countedBytes;
        countedBytes = position;
      }
      if (this.#bytesLeft < 0) {
        throw this.#exceeded(`more than ${this.limits.maxRatio} times its size`);
      }
    };
    return async function* () {
      let position = 0;
      for await (const chunk of read()) {
        position += chunk.byteLength;
        count(position);
        yield chunk;
      }
    };
  }

  #exceeded(what: string): MirrorError {
    return new MirrorError('refused', `it unfolds to ${what}; if that is right, unpack it first and import the folder`);
  }
}
