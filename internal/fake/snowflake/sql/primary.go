package sql

import (
	"strconv"
	"strings"
)

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
