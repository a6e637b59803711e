package sql

import (
	"strconv"
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

func (p *parser) primary() Expr {
	t := p.peek()
	switch t.kind {
	case tokNumber:
		p.at++
		return &Lit{'n', t.text}
	case tokString:
		p.at++
		return &Lit{'s', t.text}
	case tokBind:
		p.at++
		if t.text == "" {
			p.binds++
			return &Bind{p.binds}
		}
		n, _ := strconv.Atoi(t.text)
		return &Bind{n}
	case tokDollar:
		p.at++
		n, err := strconv.Atoi(t.text)
		if err != nil {
			p.unsupported("session variable $" + t.text)
		}
		return &Dollar{N: n}
	case tokOp:
		switch t.text {
		case "(":
			p.at++
			if p.is("SELECT") || p.is("WITH") {
				q := p.query()
				p.expectOp(")")
				return &Scalar{q}
			}
			list := p.exprs()
			p.expectOp(")")
			if len(list) > 1 {
				return &Row{list}
			}
			return list[0]
		case "*":
			p.at++
			return &Star{Exclude: p.exclude()}
		case "[":
			p.at++
			var list []Expr
			if !p.isOp("]") {
				list = p.exprs()
			}
			p.expectOp("]")
			return &Func{Name: "ARRAY_CONSTRUCT", Args: list}
		case "{":
			return p.object()
		}
	case tokWord:
		if x := p.keyword(); x != nil {
			return x
		}
	}
	return p.reference()
}

func (p *parser) object() Expr {
	f := &Func{Name: "OBJECT_CONSTRUCT_KEEP_NULL"}
	p.expectOp("{")
	for !p.op("}") {
		f.Args = append(f.Args, &Lit{'s', p.string()})
		p.expectOp(":")
		f.Args = append(f.Args, p.expr())
		if !p.isOp("}") {
			p.expectOp(",")
		}
	}
	return f
}

// keyword reads an expression that starts with a keyword, or nothing.
func (p *parser) keyword() Expr {
	switch {
	case p.word("NULL"):
		return &Lit{'0', ""}
	case p.word("TRUE"):
		return &Lit{'b', "1"}
	case p.word("FALSE"):
		return &Lit{'b', ""}
	case p.word("CASE"):
		return p.caseExpr()
	case p.word("EXISTS"):
		p.expectOp("(")
		q := p.query()
		p.expectOp(")")
		return &Exists{q}
	case p.is("CAST"), p.is("TRY_CAST"):
		try := p.next().text == "TRY_CAST"
		p.expectOp("(")
		x := p.expr()
		p.expect("AS")
		c := &Cast{X: x, To: p.dataType(), Try: try}
		p.expectOp(")")
		return c
	case p.is("CURRENT_DATE"), p.is("CURRENT_TIME"), p.is("CURRENT_TIMESTAMP"), p.is("CURRENT_USER"), p.is("LOCALTIMESTAMP"), p.is("LOCALTIME"):
		f := &Func{Name: p.next().text}
		if p.op("(") && !p.op(")") {
			f.Args = p.exprs()
			p.expectOp(")")
		}
		return f
	case p.is("LEFT"), p.is("RIGHT"), p.is("INSERT"), p.is("LIKE"), p.is("RLIKE"):
		if p.peekN(1).text == "(" {
			return p.call(p.next().text)
		}
	case p.is("DATE"), p.is("TIMESTAMP"), p.is("TIME"):
		if p.peekN(1).kind == tokString {
			to := Type{Name: p.next().text}
			return &Cast{X: &Lit{'s', p.string()}, To: to}
		}
	case p.is("INTERVAL"):
		if p.peekN(1).kind == tokString {
			p.unsupported("INTERVAL")
		}
	}
	return nil
}

func (p *parser) caseExpr() Expr {
	c := &Case{}
	if !p.is("WHEN") {
		c.X = p.expr()
	}
	for p.word("WHEN") {
		w := When{If: p.expr()}
		p.expect("THEN")
		w.Then = p.expr()
		c.Whens = append(c.Whens, w)
	}
	if p.word("ELSE") {
		c.Else = p.expr()
	}
	p.expect("END")
	return c
}

func (p *parser) exclude() (out []string) {
	if !p.is("EXCLUDE") {
		return nil
	}
	p.at++
	if p.isOp("(") {
		return p.names()
	}
	return []string{p.ident()}
}

// reference reads a column, a call, T.* or T.$1.
func (p *parser) reference() Expr {
	if p.is("TABLE") || p.is("IDENTIFIER") && p.peekN(1).text == "(" {
		p.unexpected()
	}
	parts := []string{p.ident()}
	if p.isOp("(") {
		return p.call(parts[0])
	}
	for p.isOp(".") {
		p.at++
		switch t := p.peek(); {
		case t.kind == tokOp && t.text == "*":
			p.at++
			return &Star{Qualifier: parts, Exclude: p.exclude()}
		case t.kind == tokDollar:
			p.at++
			n, _ := strconv.Atoi(t.text)
			return &Dollar{Qualifier: parts[len(parts)-1], N: n}
		}
		parts = append(parts, p.ident())
		if p.isOp("(") {
			return p.call(strings.Join(parts, "."))
		}
	}
	return &Col{parts}
}

func (p *parser) call(name string) Expr {
	f := &Func{Name: name}
	p.expectOp("(")
	switch {
	case p.isOp("*") && p.peekN(1).text == ")":
		p.at++
		f.Star = true
	case p.isOp(")"):
	default:
		f.Distinct = p.word("DISTINCT")
		if name == "EXTRACT" {
			part := p.ident()
			p.expect("FROM")
			f.Name, f.Args = "DATE_PART", []Expr{&Lit{'s', part}, p.expr()}
			break
		}
		for {
			if p.peekN(1).text == "=>" {
				p.at += 2 // named argument: FLATTEN(INPUT => x)
			}
			f.Args = append(f.Args, p.expr())
			if !p.op(",") {
				break
			}
		}
	}
	p.expectOp(")")
	if p.word("WITHIN", "GROUP") {
		p.expectOp("(")
		p.expect("ORDER", "BY")
		f.Order = p.order()
		p.expectOp(")")
	}
	if p.word("OVER") {
		f.Over = &Over{}
		p.expectOp("(")
		if p.word("PARTITION", "BY") {
			f.Over.Partition = p.exprs()
		}
		if p.word("ORDER", "BY") {
			f.Over.Order = p.order()
		}
		if p.is("ROWS") || p.is("RANGE") {
			p.unsupported("window frame")
		}
		p.expectOp(")")
	}
	return f
}

func (p *parser) order() (out []Order) {
	for {
		o := Order{X: p.expr()}
		if p.word("DESC") {
			o.Desc = true
		} else {
			p.word("ASC")
		}
		if p.word("NULLS", "FIRST") {
			o.Nulls = 'f'
		} else if p.word("NULLS", "LAST") {
			o.Nulls = 'l'
		}
		out = append(out, o)
		if !p.op(",") {
			return out
		}
	}
}
