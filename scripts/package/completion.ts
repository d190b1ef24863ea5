/** Completion for bash, zsh and fish, written from the commands that the program declares. */
import { type CommandOfProgram, everyCommand, type OptionOfCommand, type Values } from './command-tree.ts';

const origin = '# Completion of orthanc-mirror, written from the program itself.';

export function bashCompletion(program: CommandOfProgram): string {
  const commands = everyCommand(program);
  const words = commands.flatMap(({ path, commands: below }) => below.map(({ name }) => `${path} ${name}`));
  return `${origin}
_orthanc_mirror() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= word= words= kind=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case "$command $word" in
      ${words.map(bashWord).join(' | ')}) command="\${command:+$command }$word" ;;
    esac
  done
  case "$command $previous" in
${commands.flatMap(({ path, options }) => options.map((option) => bashValue(path, option))).join('')}  esac
  if [ -z "$kind" ]; then
    case "$command" in
${commands.map(bashCommand).join('')}    esac
  fi
  case $kind in
    files)
      compopt -o filenames 2> /dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      ;;
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    *) COMPREPLY=() ;;
  esac
}
complete -F _orthanc_mirror orthanc-mirror
`;
}

/** Before the first command there is no command: what is matched then begins with a blank. */
function bashWord(words: string): string {
  return `'${words}'`;
}

function bashValue(path: string, { names, value }: OptionOfCommand): string {
  if (value === undefined) return '';
  const patterns = names.map((name) => `'${path} ${name}'`).join(' | ');
  const words = value.kind === 'words' ? ` words='${value.words.join(' ')}'` : '';
  return `    ${patterns}) kind=${value.kind}${words} ;;\n`;
}

function bashCommand({ path, options, arguments: given, commands }: CommandOfProgram): string {
  const names = options.flatMap((option) => option.names).join(' ');
  const below = commands.map(({ name }) => name).join(' ');
  const takesFiles = given.some(({ value }) => value.kind === 'files');
  const words = below === '' && takesFiles ? 'kind=files' : `kind=words words='${below}'`;
  return `      '${path}') case $current in -*) kind=words words='${names}' ;; *) ${words} ;; esac ;;\n`;
}

export function zshCompletion(program: CommandOfProgram): string {
  return `#compdef orthanc-mirror
${origin}
${everyCommand(program).map(zshFunction).join('\n')}
_orthanc-mirror "$@"
`;
}

function zshName(path: string): string {
  return ['_orthanc-mirror', ...path.split(' ')].filter((part) => part !== '').join('_');
}

function zshFunction({ path, options, arguments: given, commands }: CommandOfProgram): string {
  const specs = options.map(zshOption);
  if (commands.length === 0) {
    specs.push(...given.map(({ name, value }) => quoted(`*:${zshText(name)}:${zshAction(value)}`)).slice(0, 1));
    return `${zshName(path)}() {\n  _arguments -s ${specs.join(' \\\n    ')}\n}\n`;
  }
  const described = commands.map(({ name, summary }) => quoted(`${name}:${summary}`));
  return `${zshName(path)}() {
  local state line
  local -a commands=(${described.join('\n    ')})
  _arguments -C ${[...specs, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command) _describe command commands ;;
    rest)
      case $words[1] in
${commands.map((each) => `        ${each.name}) ${zshName(each.path)} ;;\n`).join('')}      esac
      ;;
  esac
}
`;
}

function zshOption({ names, description, value }: OptionOfCommand): string {
  const ends = value === undefined ? '' : `:value:${zshAction(value)}`;
  const spec = `[${zshText(description)}]${ends}`;
  if (names.length === 1) return quoted(`*${names[0]}${spec}`);
  return `${quoted(`(${names.join(' ')})`)}{${names.join(',')}}${quoted(spec)}`;
}

function zshAction(value: Values): string {
  if (value.kind === 'words') return `(${value.words.join(' ')})`;
  // Nothing to offer. A message in its place would keep zsh from completing an option.
  return value.kind === 'files' ? '_files' : '()';
}

function zshText(text: string): string {
  return text.replaceAll(/[[\]:\\]/g, '\\$&');
}

export function fishCompletion(program: CommandOfProgram): string {
  const words = everyCommand(program).flatMap(({ path, commands }) => commands.map(({ name }) => `${path} ${name}`));
  return `${origin}
function __orthanc_mirror_command
    set -l command ''
    for word in (commandline -opc)[2..-1]
        switch "$command $word"
            case ${words.map(quoted).join(' ')}
                set command (string trim -- "$command $word")
        end
    end
    echo $command
end
complete -c orthanc-mirror -f
${everyCommand(program).map(fishCommand).join('')}`;
}

function fishCommand({ path, options, arguments: given, commands }: CommandOfProgram): string {
  const start = `complete -c orthanc-mirror -n 'test (__orthanc_mirror_command) = "${path}"'`;
  const lines = [
    ...commands.map(({ name, summary }) => `-a ${name} -d ${fishQuoted(summary)}`),
    ...options.map(({ names, description, value }) =>
      [...names.map(fishFlag), ...fishValue(value), `-d ${fishQuoted(description)}`].join(' '),
    ),
    ...(given.some(({ value }) => value.kind === 'files') ? ['-F'] : []),
  ];
  return lines.map((line) => `${start} ${line}\n`).join('');
}

function fishFlag(name: string): string {
  return name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`;
}

function fishValue(value: Values | undefined): readonly string[] {
  if (value === undefined) return [];
  if (value.kind === 'words') return ['-x', `-a ${fishQuoted(value.words.join(' '))}`];
  return value.kind === 'files' ? ['-r', '-F'] : ['-x'];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
