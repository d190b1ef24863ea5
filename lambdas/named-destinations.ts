import { destinationNames } from '../core/config/destination-names.ts';
import type { Destination } from '../core/copy/outcome.ts';
import type { CloudMirror } from './deployment.ts';

/** A destination and what it is called in metrics and reports. */
export interface NamedDestination {
  readonly name: string;
  readonly destination: Destination;
}

/** The destinations of a mirror with their names: both are in the order of the configuration. */
export function namedDestinations({ configuration, destinations }: CloudMirror): NamedDestination[] {
  const names = destinationNames(configuration);
  return destinations.map((destination, index) => ({ name: names[index] ?? destination.role, destination }));
}
