/** Makes sure, before anything is sent, under which id a server will store an instance. */

import type { CallOptions } from '../../call-options.ts';
import { isOrthancEncoding, type OrthancEncoding } from '../../dicom/charset.ts';
import {
  canBe,
  dependsOnDefaultEncoding,
  encodingsGiving,
  type GivenIds,
  givenIds,
  type IdentifyingElements,
} from '../../dicom/identifying-elements.ts';
import { isMirrorError, MirrorError } from '../../errors.ts';
import type { InstanceId } from '../../identifiers.ts';
import type { OrthancClient } from './http-client.ts';

/** What a server makes of the identifiers of one file. */
export interface CheckedId extends GivenIds {
  readonly elements: IdentifyingElements;
  /** Whether `DefaultEncoding` has a part in it, which may be changed while the server runs. */
  readonly dependsOnEncoding: boolean;
}

export class IdCheck {
  readonly #client: OrthancClient;
  #encoding: Promise<OrthancEncoding | undefined> | undefined;

  constructor(client: OrthancClient) {
    this.#client = client;
  }

  /**
   * In which encoding the server reads texts whose file names none (`GET /tools/default-encoding`, Orthanc 1.1.0): its
   * ids depend on it. Asked once; `undefined` if the server does not tell, or has one that is not known here.
   */
  async defaultEncoding(options: CallOptions = {}): Promise<OrthancEncoding | undefined> {
    this.#encoding ??= this.#askEncoding(options).catch((error: unknown) => {
      this.#encoding = undefined;
      throw error;
    });
    return this.#encoding;
  }

  /**
   * @returns the ids that the server may give the file. Throws `wrong-id` if it would certainly give it another one than
   * `id`, `not-dicom` if no server could give it any.
   */
  async check(id: InstanceId, elements: IdentifyingElements | undefined, options: CallOptions): Promise<CheckedId> {
    if (elements === undefined) throw this.#notDicom(id);
    const first = await this.#idsOf(elements, options);
    if (!isRuledOut(id, first)) return first;
    if (!first.dependsOnEncoding) throw this.#wrongId(id, first);
    // The option can be changed, and the server be restarted, while we are connected.
    this.#encoding = undefined;
    const again = await this.#idsOf(elements, options);
    if (isRuledOut(id, again)) throw this.#wrongId(id, again);
    return again;
  }

  /** As {@link check}; throws also where the id that is likely is another one. */
  async requireLikely(id: InstanceId, elements: IdentifyingElements | undefined, options: CallOptions): Promise<void> {
    const given = await this.check(id, elements, options);
    if (given.id !== id) throw this.#wrongId(id, given);
  }

  async #idsOf(elements: IdentifyingElements, options: CallOptions): Promise<CheckedId> {
    const dependsOnEncoding = dependsOnDefaultEncoding(elements);
    const encoding = dependsOnEncoding ? await this.defaultEncoding(options) : undefined;
    return { ...givenIds(elements, encoding), elements, dependsOnEncoding };
  }

  async #askEncoding(options: CallOptions): Promise<OrthancEncoding | undefined> {
    try {
      const name = (await this.#client.findText('/tools/default-encoding', options))?.trim();
      return isOrthancEncoding(name) ? name : undefined;
    } catch (error) {
      if (isMirrorError(error, 'forbidden')) return undefined;
      throw error;
    }
  }

  #notDicom(id: InstanceId): MirrorError {
    const what =
      'is no DICOM file that tells the UIDs of an instance within its first 16 MiB; nothing was sent. Get it again';
    return new MirrorError('not-dicom', `what was given for instance ${id} ${what}`);
  }

  #wrongId(id: InstanceId, given: CheckedId): MirrorError {
    const { name } = this.#client;
    const { elements } = given;
    const would = `${name} would store instance ${id} as ${given.id}`;
    if (!canBe(elements, id)) {
      const why = 'the file that was given for it holds the identifiers of the other one';
      return new MirrorError('wrong-id', `${would}: ${why}; nothing was sent. Ask the source to verify its storage`);
    }
    return new MirrorError('wrong-id', `${would}: ${otherCharacterSet(id, elements)}`);
  }
}

/** Why a server that is not at fault gives an instance another id, and what to do. */
export function otherCharacterSet(id: InstanceId, elements: IdentifyingElements): string {
  const encodings = encodingsGiving(elements, id);
  const hint =
    encodings.length === 0
      ? 'another version of Orthanc gave it its id'
      : `set DefaultEncoding there as the source has it (${encodings.join(', ')} would do)`;
  return `its PatientID is not ASCII and is read in another character set there; nothing was sent. To keep its id, ${hint}`;
}

function isRuledOut(id: InstanceId, given: GivenIds): boolean {
  return given.isCertain && given.id !== id;
}
