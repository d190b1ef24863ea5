/** Resolves the intrinsic functions of CloudFormation that a synthesized template uses. Pure. */
import { z } from 'zod';

/** What the resources of a template are locally. */
export interface LocalValues {
  /** Value of `{"Ref": name}`: of a resource or a pseudo parameter such as `AWS::Region`. */
  ref(name: string): string;
  /** Value of `{"Fn::GetAtt": [resource, attribute]}`. */
  attribute(resource: string, attribute: string): string;
}

const refSchema = z.strictObject({ Ref: z.string() });
const getAttSchema = z.strictObject({ 'Fn::GetAtt': z.tuple([z.string(), z.string()]) });
const joinSchema = z.strictObject({ 'Fn::Join': z.tuple([z.string(), z.array(z.unknown())]) });

/** @returns the text that a value of a template stands for. Throws for what is no text and no function known here. */
export function resolveText(value: unknown, local: LocalValues): string {
  if (['string', 'number', 'boolean'].includes(typeof value)) {
    return String(value);
  }
  const ref = refSchema.safeParse(value);
  if (ref.success) {
    return local.ref(ref.data.Ref);
  }
  const getAtt = getAttSchema.safeParse(value);
  if (getAtt.success) {
    return local.attribute(...getAtt.data['Fn::GetAtt']);
  }
  const [separator, parts] = joinSchema.parse(value)['Fn::Join'];
  return parts.map((part) => resolveText(part, local)).join(separator);
}

/** @returns the logical id of the resource that a value refers to by `Ref` or `Fn::GetAtt`. */
export function referredResource(value: unknown): string {
  const ref = refSchema.safeParse(value);
  return ref.success ? ref.data.Ref : getAttSchema.parse(value)['Fn::GetAtt'][0];
}
