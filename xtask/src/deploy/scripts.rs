//! What is run on the machine. Paths and names have been checked: they need no
//! quotes.

use super::Definition;

/// The files of one deployment on the machine.
pub struct Files {
    name: String,
    program: String,
    definition: String,
    lock: String,
}

impl Files {
    pub fn of(definition: &Definition) -> Self {
        let name = definition.name.clone();
        Self {
            program: definition.program.clone(),
            definition: format!("/etc/herd/available/{name}.conf"),
            lock: format!("/run/herd/deploy-{name}"),
            name,
        }
    }

    /// The new program, before it is in its place.
    pub fn new_program(&self) -> String {
        format!("{}.deploy-new", self.program)
    }

    /// One deployment of a service at a time.
    pub fn begin(&self) -> String {
        let lock = &self.lock;
        format!(
            "mkdir {lock} || {{ echo 'another deployment is under way; if not: rmdir {lock}' >&2; exit 1; }}"
        )
    }

    /// Takes the new program from standard input; its hash.
    pub fn copy_program(&self) -> String {
        let (new, folder) = (self.new_program(), parent(&self.program));
        format!("set -e; mkdir -p {folder}; cat > {new}; chmod 755 {new}; sync; sha256sum < {new}")
    }

    /// Takes the new definition from standard input.
    pub fn copy_definition(&self) -> String {
        format!("set -e; cat > {}.deploy-new; sync", self.definition)
    }

    /// Takes the definition from standard input as it would be with the new
    /// program, and has herd check it among the others; what it says.
    pub fn check(&self) -> String {
        let (stage, name) = (format!("{}/root", self.lock), &self.name);
        format!(
            "mkdir -p {stage}/etc/herd/available {stage}/etc/herd/enabled && \
             cp /etc/herd/available/*.conf {stage}/etc/herd/available/ 2>/dev/null; \
             cat > {stage}/etc/herd/available/{name}.conf && herd --root {stage} check; \
             rm -rf {stage}"
        )
    }

    /// Puts both in their places, keeping the old ones, and starts the service.
    pub fn swap(&self) -> String {
        let Self {
            name,
            program,
            definition,
            ..
        } = self;
        format!(
            "set -e\n\
             for file in {program} {definition}; do\n\
             rm -f $file.deploy-old; [ ! -e $file ] || ln $file $file.deploy-old\n\
             done\n\
             mv {program}.deploy-new {program}; mv {definition}.deploy-new {definition}; sync\n\
             herd reload\n\
             if [ -e {definition}.deploy-old ]; then herd restart {name}; else herd enable {name}; fi"
        )
    }

    /// Puts back what was kept, and starts the service as it was.
    pub fn roll_back(&self) -> String {
        let Self {
            name,
            program,
            definition,
            ..
        } = self;
        format!(
            "if [ ! -e {definition}.deploy-old ]; then herd disable {name}; rm -f {definition}; fi\n\
             [ -e {program}.deploy-old ] || rm -f {program}\n\
             for file in {program} {definition}; do\n\
             [ ! -e $file.deploy-old ] || mv $file.deploy-old $file\n\
             done; sync\n\
             herd reload; [ ! -e {definition} ] || herd restart {name}"
        )
    }

    /// Removes what no step needs any more.
    pub fn clean(&self) -> String {
        let Self {
            program,
            definition,
            lock,
            ..
        } = self;
        format!(
            "rm -f {program}.deploy-new {definition}.deploy-new \
             {program}.deploy-old {definition}.deploy-old; rm -rf {lock}"
        )
    }
}

fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) | None => "/",
        Some((parent, _)) => parent,
    }
}
