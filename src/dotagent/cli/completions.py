"""``dotagent completions``: what makes a shell complete commands, options and the home's names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from dotagent.cli.looking import show

PROGRAM = "dotagent"
VARIABLE = "_DOTAGENT_COMPLETE"
"""How click is asked (https://click.palletsprojects.com/shell-completion/)."""

# Click has no script for these. They ask the program as bash does, and get a kind and a word a
# line.
ELVISH = """\
use str
set edit:completion:arg-completer[dotagent] = {|@words|
  env _DOTAGENT_COMPLETE=bash_complete COMP_WORDS=(str:join ' ' $words) ^
    COMP_CWORD=(to-string (- (count $words) 1)) dotagent | each {|line|
    var kind word = (str:split &max=2 , $line)
    if (eq $kind plain) { put $word } else { edit:complete-filename $@words }
  }
}"""
# An empty text would take a variable away; none of these is ever empty.
POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName dotagent -ScriptBlock {
  param($begun, $line, $cursor)
  $words = @($line.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursor } |
    ForEach-Object { $_.Extent.Text })
  if ($begun -eq '') { $words += '' }
  try {
    $env:_DOTAGENT_COMPLETE = 'bash_complete'
    $env:COMP_WORDS = $words -join ' '
    $env:COMP_CWORD = $words.Count - 1
    dotagent | ForEach-Object {
      $kind, $word = $_ -split ',', 2
      if ($kind -eq 'plain') {
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $word)
      }
    }
  } finally {
    Remove-Item Env:_DOTAGENT_COMPLETE, Env:COMP_WORDS, Env:COMP_CWORD
  }
}"""
OURS = {"elvish": ELVISH, "powershell": POWERSHELL}
SHELLS = ("bash", "zsh", "fish", *OURS)


@click.command("completions")
@click.argument("shell", type=click.Choice(SHELLS), metavar="|".join(SHELLS))
def command(shell: str) -> int:
    """Print the script that makes your shell complete dotagent's commands and your agents' names.

    The script for PowerShell has not been tried in one.

    \b
    Example:
      bash:  echo 'eval "$(dotagent completions bash)"' >> ~/.bashrc
      zsh:   echo 'eval "$(dotagent completions zsh)"' >> ~/.zshrc
      fish:  dotagent completions fish > ~/.config/fish/completions/dotagent.fish
      elvish:      dotagent completions elvish >> ~/.config/elvish/rc.elv
      powershell:  dotagent completions powershell >> $PROFILE
    """
    # Every completion asks the program itself, so that names and commands are those of the moment.
    if shell in OURS:
        return show([OURS[shell]])
    made = get_completion_class(shell)
    assert made is not None
    root = click.Group(PROGRAM)
    return show([made(root, {}, PROGRAM, VARIABLE).source()])
