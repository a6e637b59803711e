package sql

func (p *parser) query() *Query {
	q := &Query{}
	if p.word("WITH") {
		p.word("RECURSIVE")
		for {
			c := CTE{Name: p.ident()}
			if p.isOp("(") {
				c.Columns = p.names()
			}
			p.expect("AS")
			p.expectOp("(")
			c.Query = p.query()
			p.expectOp(")")
			q.With = append(q.With, c)
			if !p.op(",") {
				break
			}
		}
	}
	q.Body = p.union()
	if p.word("ORDER", "BY") {
		q.Order = p.order()
	}
	if p.word("LIMIT") {
		q.Limit = p.expr()
	}
	if p.word("OFFSET") {
		q.Offset = p.expr()
		p.oneOf("ROW", "ROWS")
	}
	if p.word("FETCH") {
		p.oneOf("FIRST", "NEXT")
		q.Limit = p.expr()
		p.oneOf("ROW", "ROWS")
		p.word("ONLY")
	}
	return q
}

func (p *parser) union() any {
	l := p.block()
	for {
		op := p.oneOf("UNION", "EXCEPT", "MINUS", "INTERSECT")
		if op == "" {
			return l
		}
		if op == "MINUS" {
			op = "EXCEPT"
		}
		all := p.word("ALL")
		l = &SetOp{Op: op, All: all, L: l, R: p.block()}
	}
}

func (p *parser) block() any {
	switch {
	case p.isOp("("):
		p.at++
		q := p.query()
		p.expectOp(")")
		return q
	case p.word("VALUES"):
		return p.values()
	}
	p.expect("SELECT")
	s := &Select{Distinct: p.word("DISTINCT")}
	p.word("ALL")
	if p.word("TOP") {
		p.unsupported("TOP")
	}
	for {
		it := Item{X: p.expr()}
		if p.word("AS") {
			it.Alias = p.ident()
		} else if p.canAlias() {
			it.Alias = p.ident()
		}
		s.Items = append(s.Items, it)
		if !p.op(",") || p.is("FROM") {
			break
		}
	}
	if p.word("FROM") {
		s.From = p.from()
	}
	if p.word("WHERE") {
		s.Where = p.expr()
	}
	if p.word("GROUP", "BY") {
		if p.word("ALL") {
			s.GroupAll = true
		} else {
			s.Group = p.exprs()
		}
	}
	if p.word("HAVING") {
		s.Having = p.expr()
	}
	if p.word("QUALIFY") {
		s.Qualify = p.expr()
	}
	return s
}

func (p *parser) values() *Values {
	v := &Values{}
	for {
		p.expectOp("(")
		v.Rows = append(v.Rows, p.exprs())
		p.expectOp(")")
		if !p.op(",") {
			return v
		}
	}
}

// canAlias reports whether a name follows that may be an alias without AS.
func (p *parser) canAlias() bool {
	t := p.peek()
	return t.kind == tokQuoted || t.kind == tokWord && !isReserved(t.text) && !inList(notAlias, t.text)
}

func (p *parser) alias() string {
	if p.word("AS") || p.canAlias() {
		return p.ident()
	}
	return ""
}

func (p *parser) from() any {
	l := p.joined()
	for p.op(",") {
		l = &Join{Kind: "CROSS", L: l, R: p.joined()}
	}
	return l
}

func (p *parser) joined() any {
	l := p.tableRef()
	for {
		kind := ""
		switch {
		case p.word("JOIN"), p.word("INNER", "JOIN"):
			kind = "INNER"
		case p.word("LEFT", "OUTER", "JOIN"), p.word("LEFT", "JOIN"):
			kind = "LEFT"
		case p.word("RIGHT", "OUTER", "JOIN"), p.word("RIGHT", "JOIN"):
			kind = "RIGHT"
		case p.word("FULL", "OUTER", "JOIN"), p.word("FULL", "JOIN"):
			kind = "FULL"
		case p.word("CROSS", "JOIN"):
			kind = "CROSS"
		case p.is("NATURAL"), p.is("ASOF"):
			p.unsupported(p.peek().text + " JOIN")
		default:
			return l
		}
		j := &Join{Kind: kind, L: l, R: p.tableRef()}
		if p.word("ON") {
			j.On = p.expr()
		} else if p.word("USING") {
			j.Using = p.names()
		}
		l = j
	}
}

func (p *parser) tableRef() any {
	t := p.peek()
	switch {
	case t.kind == tokStage, t.kind == tokString && len(t.text) > 0 && t.text[0] == '@':
		s := &StageRef{Stage: p.stage(), Format: Options{}}
		if p.op("(") {
			for !p.op(")") {
				key := p.next().text
				if p.op("=>") || p.op("=") {
					switch key {
					case "FILE_FORMAT":
						if sub, ok := p.optionValue().(Options); ok {
							s.Format = sub
						} else {
							p.at--
							s.Format = p.formatName()
						}
					case "PATTERN":
						s.Pattern = p.string()
					default:
						p.unsupported("stage option " + key)
					}
				} else {
					p.unexpected()
				}
				p.op(",")
			}
		}
		s.Alias = p.alias()
		return s
	case p.isOp("("):
		p.at++
		var q *Query
		if p.word("VALUES") {
			q = &Query{Body: p.values()}
		} else if p.is("SELECT") || p.is("WITH") || p.isOp("(") {
			q = p.query()
		} else { // a parenthesised join
			j := p.from()
			p.expectOp(")")
			return j
		}
		p.expectOp(")")
		r := &SubRef{Query: q, Alias: p.alias()}
		if r.Alias != "" && p.isOp("(") {
			r.Columns = p.names()
		}
		return r
	case p.word("VALUES"):
		r := &SubRef{Query: &Query{Body: p.values()}, Alias: p.alias()}
		if r.Alias != "" && p.isOp("(") {
			r.Columns = p.names()
		}
		return r
	case p.word("TABLE"):
		p.expectOp("(")
		f, ok := p.call(p.ident()).(*Func)
		if !ok {
			p.unexpected()
		}
		p.expectOp(")")
		return &FuncRef{Call: f, Alias: p.alias()}
	case p.word("LATERAL"):
		return &FuncRef{Call: p.call(p.ident()).(*Func), Alias: p.alias()}
	}
	r := &TableRef{Name: p.name()}
	if p.is("AT") || p.is("BEFORE") || p.is("CHANGES") {
		if p.peekN(1).text == "(" {
			p.unsupported("time travel")
		}
	}
	r.Alias = p.alias()
	return r
}

// formatName reads the name of a file format, as a word, a path of words or a string.
func (p *parser) formatName() Options {
	if t := p.peek(); t.kind == tokString {
		p.at++
		return Options{"FORMAT_NAME": t.text}
	}
	start := p.peek().pos
	p.name()
	end := p.tokens[p.at-1]
	return Options{"FORMAT_NAME": p.text[start : end.pos+len(end.raw)]}
}
