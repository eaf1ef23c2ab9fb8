//! The help text, and the words that a command line has.

pub(super) const HELP: &str = "\
herd keeps services running and keeps their logs.

usage: herd [--root DIR] COMMAND

  daemon                 supervise (process 1 does so by itself)
  status [NAME...]       what runs; with names, status 1 if one of them does not
  why NAME               what is with it: its state, and the end of its log
  log NAME... [-n N]     the last N lines (50, or \"all\")
  log NAME -f [-n N]     the same, and what follows
  events [NAME...] [-f] [-n N]
                         what herd did about services, and what follows
  run -- COMMAND...      run it once as a service, and show what it writes
  new NAME -- COMMAND... define a service that runs the command
  edit NAME              change its definition in VISUAL, EDITOR or vi; what is wrong
                         with it is said, and then nothing is changed
  import FILE.service    define a service by a unit of systemd's, and say what of that
                         cannot be carried over
  enable NAME...         run it now and whenever herd starts
  disable NAME...        stop it, and do not start it with herd
  start NAME...          run it now
  stop NAME...           stop it until it is started again
  restart NAME...        stop it, then start it
  reload [NAME...]       read the definitions again; start what is newly enabled;
                         with names, have those read their own configuration again
  upgrade                run herd's program anew; services go on
  check                  say all that is wrong with the definitions
  config NAME            show one with its defaults
  blame [--svg]          how long each service took to start, and what it waited for
  top                    the services as they are now, again and again; q leaves
  tree                   which service needs, wants or comes after which
  completion SHELL       what bash or zsh has to know to complete herd's words
  poweroff, reboot, halt stop everything and end the machine's run

A NAME may be a pattern (*, ?, [a-z]) for all services that it matches.
--json         status, why, log, events, tree, blame, check and config for programs
--timeout T    start, stop, restart: wait no longer (\"500ms\", \"5s\", \"2m\")

Definitions are /etc/herd/available/NAME.conf, logs /var/log/herd/NAME.log.
--root DIR (or HERD_ROOT) puts these, and /run/herd, below DIR.

Exit status: 0 done, 1 failed, 2 wrong usage, wrong name or mistake in a
definition, 3 it took longer than --timeout.
";

pub(super) const VERBS: [&str; 26] = [
    "blame",
    "edit",
    "top",
    "events",
    "run",
    "import",
    "tree",
    "completion",
    "new",
    "why",
    "upgrade",
    "check",
    "daemon",
    "status",
    "log",
    "enable",
    "disable",
    "start",
    "stop",
    "restart",
    "reload",
    "config",
    "poweroff",
    "reboot",
    "halt",
    "help",
];

pub(super) const OPTIONS: [&str; 8] = [
    "--svg",
    "--root",
    "--lines",
    "--follow",
    "--json",
    "--timeout",
    "--help",
    "--version",
];
