package sql

import (
	"strings"
)

func (p *parser) expr() Expr { return p.or() }

func (p *parser) or() Expr {
	x := p.and()
	for p.word("OR") {
		x = &Binary{"OR", x, p.and()}
	}
	return x
}

func (p *parser) and() Expr {
	x := p.not()
	for p.word("AND") {
		x = &Binary{"AND", x, p.not()}
	}
	return x
}

func (p *parser) not() Expr {
	if p.word("NOT") {
		return &Unary{"NOT", p.not()}
	}
	return p.predicate()
}

func (p *parser) predicate() Expr {
	x := p.concat()
	for {
		switch {
		case p.word("IS"):
			not := p.word("NOT")
			switch {
			case p.word("NULL"):
				x = &IsNull{x, not}
			case p.word("TRUE"):
				x = &IsBool{x, not, true}
			case p.word("FALSE"):
				x = &IsBool{x, not, false}
			case p.word("DISTINCT", "FROM"):
				eq := Expr(&Func{Name: "EQUAL_NULL", Args: []Expr{x, p.concat()}})
				if !not {
					eq = &Unary{"NOT", eq}
				}
				x = eq
			default:
				p.unexpected()
			}
		case p.is("NOT", "IN"), p.is("IN"):
			not := p.word("NOT")
			p.expect("IN")
			p.expectOp("(")
			if p.is("SELECT") || p.is("WITH") {
				x = &In{X: x, Sub: p.query(), Not: not}
			} else {
				x = &In{X: x, List: p.exprs(), Not: not}
			}
			p.expectOp(")")
		case p.is("NOT", "BETWEEN"), p.is("BETWEEN"):
			not := p.word("NOT")
			p.expect("BETWEEN")
			low := p.concat()
			p.expect("AND")
			x = &Between{x, low, p.concat(), not}
		case p.is("NOT", "LIKE"), p.is("NOT", "ILIKE"), p.is("NOT", "RLIKE"), p.is("LIKE"), p.is("ILIKE"), p.is("RLIKE"):
			l := &Like{X: x, Not: p.word("NOT")}
			l.Op = p.next().text
			l.Pattern = p.concat()
			if p.word("ESCAPE") {
				l.Escape = p.concat()
			}
			x = l
		default:
			t := p.peek()
			if t.kind != tokOp {
				return x
			}
			switch t.text {
			case "=", "<", ">", "<=", ">=", "<>", "!=":
				p.at++
				op := t.text
				if op == "!=" {
					op = "<>"
				}
				x = &Binary{op, x, p.concat()}
			default:
				return x
			}
		}
	}
}

func (p *parser) concat() Expr {
	x := p.sum()
	for p.op("||") {
		x = &Binary{"||", x, p.sum()}
	}
	return x
}

func (p *parser) sum() Expr {
	x := p.product()
	for {
		t := p.peek()
		if t.kind != tokOp || t.text != "+" && t.text != "-" {
			return x
		}
		p.at++
		x = &Binary{t.text, x, p.product()}
	}
}

func (p *parser) product() Expr {
	x := p.unary()
	for {
		t := p.peek()
		if t.kind != tokOp || t.text != "*" && t.text != "/" && t.text != "%" {
			return x
		}
		p.at++
		x = &Binary{t.text, x, p.unary()}
	}
}

func (p *parser) unary() Expr {
	switch {
	case p.op("-"):
		x := p.unary()
		if l, ok := x.(*Lit); ok && l.Kind == 'n' && !strings.HasPrefix(l.Text, "-") {
			return &Lit{'n', "-" + l.Text}
		}
		return &Unary{"-", x}
	case p.op("+"):
		return p.unary()
	}
	return p.postfix()
}

func (p *parser) postfix() Expr {
	x := p.primary()
	for {
		switch {
		case p.op("::"):
			x = &Cast{X: x, To: p.dataType()}
		case p.isOp(":") || p.isOp("["):
			if _, ok := x.(*Lit); ok && p.isOp("[") {
				p.unexpected()
			}
			x = p.path(x)
		case p.word("COLLATE"):
			p.unsupported("COLLATE")
		default:
			return x
		}
	}
}

// path reads :a.b[0]["c"]. Names keep their case, quoted or not.
func (p *parser) path(x Expr) Expr {
	out := &Path{X: x}
	if p.op(":") {
		out.Steps = append(out.Steps, p.pathName())
	}
	for {
		switch {
		case p.op("["):
			out.Steps = append(out.Steps, p.expr())
			p.expectOp("]")
		case p.op("."):
			out.Steps = append(out.Steps, p.pathName())
		case p.isOp(":"):
			p.at++
			out.Steps = append(out.Steps, p.pathName())
		default:
			return out
		}
	}
}

func (p *parser) pathName() string {
	t := p.next()
	switch t.kind {
	case tokWord:
		return t.raw
	case tokQuoted:
		return t.text
	}
	p.at--
	p.unexpected()
	return ""
}

func (p *parser) exprs() (out []Expr) {
	for {
		out = append(out, p.expr())
		if !p.op(",") {
			return out
		}
	}
}
