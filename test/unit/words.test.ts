/** One word for one thing: the words that `docs/glossary.md` replaces are in no text and in no name. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');

/** What is not said, and by which word it is replaced. */
const replaced: readonly (readonly [RegExp, string])[] = [
  [/stud(?:y|ies)[ -]documents?|StudyDocument|patient documents?|PatientDocument/i, 'sidecar'],
  [/\bunread\b|\bUnread\b/, 'not yet verified'],
  [/(?<![A-Za-z])[mM]end(?:s|ed|er|ing)?\b|(?<=[a-z])Mend(?:ed|er)?\b/, 'repair'],
  [/\breckon/i, 'estimate'],
  [/\bput aside\b|putAside/i, 'dead letter'],
  [/\bleft alone since\b/, 'paused'],
  [/\b(?:with|without|open|review)Holds?\b|\bholdOn\b|nothingHeld|store that is held|\*held\*/, 'paused'],
  [/(?<!all)settl(?!edResult)/i, 'resolve, finish, answer, decide'],
  [/GoneKeeper|#ponder|\bletIn\b|#letIn\b|\bbury\b|const nobody\b(?! = 65534)/, 'a name that says what it does'],
];

/** Where the words themselves are explained. */
const about = ['docs/glossary.md', 'test/unit/words.test.ts'];

/** The names that the standard gave. */
const given = ['core/dicom/dictionary-table.ts'];

const folders = '{bench,bin,cli,core,docs,hooks,infra,lambdas,local,packaging,scripts,test,viewer/src}';
const files = globSync([`${folders}/**/*.{ts,md,sh,lua,py}`, '*.md'], { cwd: root }).filter(
  (file) => !about.includes(file) && !given.includes(file),
);

test('there are texts to look at', () => expect(files.length).toBeGreaterThan(500));

test.each(replaced)('nothing says %s: it is "%s"', (word) => {
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (word.test(line) ? [`${file}:${index + 1}: ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});

test('file names do not say them either', () => {
  expect(files.filter((file) => /study-document|mend(?:er|ed)?[.-]|gone-keeper|unread\./.test(file))).toEqual([]);
});
