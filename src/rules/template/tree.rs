//! The tree of a template: checked as Go checks it, and with fields that are looked up our way.
//!
//! Go refuses functions and variables that nobody declared when it parses; the library would only when it gets there.
//! And Go knows that a label which is not there is an empty text; the library knows maps of anything. So every field
//! becomes a call of [`FIELD`]. It prints floats in another form, too: so every action ends in [`PRINT`].

use gotmpl::FuncMap;
use gotmpl::parse::{CommandNode, Expr, ListNode, Node, Parser, PipeNode, Pos, SmolStr};
use gotmpl::{Template, TemplateError};

/// Looks up a field of its first argument, and then of that.
pub(super) const FIELD: &str = "_field";
/// Prints what an action is.
pub(super) const PRINT: &str = "_print";

/// What Prometheus puts before each template.
const DECLARATIONS: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}\
                            {{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// What is put behind each template: the library stops at an `end` that ends nothing, and says no word.
const LAST: &str = "\u{1}";

/// What the library knows by itself.
const BUILTINS: [&str; 19] = [
    "and", "call", "eq", "ge", "gt", "html", "index", "js", "le", "len", "lt", "ne", "not", "or", "print", "printf",
    "println", "slice", "urlquery",
];

/// Actions of a text, and parentheses: they bound how deep it can nest, and so what reading it takes of the stack.
const ACTIONS_MAX: usize = 500;
const PARENTHESES_MAX: usize = 100;

/// Reads a template.
pub(super) fn read(name: &str, text: &str, functions: FuncMap) -> Result<Template, String> {
    if text.matches("{{").count() > ACTIONS_MAX || text.matches('(').count() > PARENTHESES_MAX {
        let text = format!("more than {ACTIONS_MAX} actions or {PARENTHESES_MAX} opening parentheses");
        return Err(format!("template: {name}: {text}"));
    }
    let whole = format!("{DECLARATIONS}{text}{LAST}");
    let parser = Parser::with_name(Some(name), &whole, "{{", "}}").map_err(|error| refused(name, error))?;
    let (mut tree, mut defines) = parser.parse().map_err(|error| refused(name, error))?;
    match tree.nodes.last_mut() {
        Some(Node::Text(last)) if last.text.ends_with(LAST) => last.text = last.text[..last.text.len() - 1].into(),
        _ => return Err(format!("template: {name}: unexpected {{{{end}}}} or {{{{else}}}}")),
    }
    let mut names: Vec<SmolStr> = defines.iter().map(|define| define.name.clone()).collect();
    names.push(name.into());
    let mut checker = Checker { functions: &functions, templates: &names, variables: vec!["$".into()] };
    let mut checked = checker.list(&mut tree);
    for define in &mut defines {
        checker.variables = vec!["$".into()];
        checked = checked.and_then(|()| checker.list(&mut define.body));
    }
    checked.map_err(|Refused { line, text }| format!("template: {name}:{line}: {text}"))?;
    // An empty parse makes the library's template whole; its body is the tree below its name.
    let mut template = Template::new("").funcs(functions).parse("").map_err(|error| refused(name, error))?;
    template = template.add_parse_tree(name, tree);
    for define in defines {
        template = template.add_parse_tree(&define.name, define.body);
    }
    Ok(template)
}

/// An error of the library in Go's form, which has no columns.
fn refused(name: &str, error: TemplateError) -> String {
    match error {
        TemplateError::Parse { line, message, .. } | TemplateError::Lex { line, message, .. } => {
            // What stands behind the text has no business in an action.
            let text = if message.contains("\\u{1}") { "unclosed action" } else { &message };
            format!("template: {name}:{line}: {text}")
        }
        other => format!("template: {name}: {other}"),
    }
}

struct Refused {
    line: usize,
    text: String,
}

struct Checker<'c> {
    functions: &'c FuncMap,
    templates: &'c [SmolStr],
    /// Those that are declared at this place, the innermost last.
    variables: Vec<SmolStr>,
}

impl Checker<'_> {
    fn list(&mut self, list: &mut ListNode) -> Result<(), Refused> {
        list.nodes.iter_mut().try_for_each(|node| self.node(node))
    }

    fn node(&mut self, node: &mut Node) -> Result<(), Refused> {
        match node {
            Node::List(list) => self.list(list),
            Node::Action(action) => {
                self.pipe(&mut action.pipe)?;
                if action.pipe.decl.is_empty() {
                    let args = vec![Expr::Identifier(action.pos, PRINT.into())];
                    action.pipe.commands.push(CommandNode { pos: action.pos, args });
                }
                Ok(())
            }
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => {
                // What is declared in the head or inside ends with the block.
                let outside = self.variables.len();
                self.pipe(&mut branch.pipe)?;
                let inside = self.variables.len();
                self.list(&mut branch.body)?;
                self.variables.truncate(inside);
                if let Some(body) = &mut branch.else_body {
                    self.list(body)?;
                }
                self.variables.truncate(outside);
                Ok(())
            }
            Node::Template(template) => {
                if !self.templates.contains(&template.name) {
                    let text = format!("no such template {:?}", template.name);
                    return Err(Refused { line: template.pos.line, text });
                }
                template.pipe.as_mut().map_or(Ok(()), |pipe| self.pipe(pipe))
            }
            Node::Text(_) | Node::Define(_) | Node::Break(_) | Node::Continue(_) => Ok(()),
        }
    }

    fn pipe(&mut self, pipe: &mut PipeNode) -> Result<(), Refused> {
        for (at, command) in pipe.commands.iter_mut().enumerate() {
            self.command(command, at > 0)?;
        }
        for name in &pipe.decl {
            if pipe.is_assign {
                self.variable(pipe.pos, name)?;
            } else {
                self.variables.push(name.clone());
            }
        }
        Ok(())
    }

    fn command(&mut self, command: &mut CommandNode, is_piped: bool) -> Result<(), Refused> {
        let has_arguments = is_piped || command.args.len() > 1;
        match command.args.first() {
            Some(Expr::Field(pos, _) | Expr::Variable(pos, ..) | Expr::Chain(pos, ..)) if has_arguments => {
                let text = "found a field or a variable with arguments: there are no methods".to_owned();
                return Err(Refused { line: pos.line, text });
            }
            _ => {}
        }
        command.args.iter_mut().try_for_each(|argument| self.expr(argument))
    }

    fn expr(&mut self, expr: &mut Expr) -> Result<(), Refused> {
        match expr {
            Expr::Dot(_) | Expr::String(..) | Expr::Number(..) | Expr::Bool(..) | Expr::Nil(_) => Ok(()),
            Expr::Identifier(pos, name) => self.function(*pos, name),
            Expr::Pipe(_, pipe) => {
                // A declaration in parentheses ends with them.
                let outside = self.variables.len();
                let checked = self.pipe(pipe);
                self.variables.truncate(outside);
                checked
            }
            Expr::Field(pos, fields) => {
                *expr = field(*pos, Expr::Dot(*pos), fields);
                Ok(())
            }
            Expr::Variable(pos, name, fields) => {
                self.variable(*pos, name)?;
                if !fields.is_empty() {
                    *expr = field(*pos, Expr::Variable(*pos, name.clone(), Vec::new()), fields);
                }
                Ok(())
            }
            Expr::Chain(pos, inner, fields) => {
                self.expr(inner)?;
                let inner = std::mem::replace(&mut **inner, Expr::Nil(*pos));
                *expr = field(*pos, inner, fields);
                Ok(())
            }
        }
    }

    fn function(&self, pos: Pos, name: &str) -> Result<(), Refused> {
        let is_inner = [FIELD, PRINT].contains(&name);
        match !is_inner && (self.functions.contains_key(name) || BUILTINS.contains(&name)) {
            true => Ok(()),
            false => Err(Refused { line: pos.line, text: format!("function {name:?} not defined") }),
        }
    }

    fn variable(&self, pos: Pos, name: &SmolStr) -> Result<(), Refused> {
        match self.variables.contains(name) {
            true => Ok(()),
            false => Err(Refused { line: pos.line, text: format!("undefined variable {name:?}") }),
        }
    }
}

/// A call of [`FIELD`], in parentheses.
fn field(pos: Pos, inner: Expr, fields: &[SmolStr]) -> Expr {
    let mut args = vec![Expr::Identifier(pos, FIELD.into()), inner];
    args.extend(fields.iter().map(|name| Expr::String(pos, name.as_str().into())));
    let command = CommandNode { pos, args };
    Expr::Pipe(pos, PipeNode { pos, decl: Vec::new(), commands: vec![command], is_assign: false })
}
