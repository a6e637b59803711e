package sql

import "strings"

func (p *parser) statement() any {
	switch {
	case p.is("SELECT"), p.is("WITH"), p.isOp("("), p.is("VALUES"):
		return p.query()
	case p.word("CREATE"):
		return p.create()
	case p.word("DROP"):
		return p.drop()
	case p.word("ALTER"):
		return p.alter()
	case p.word("TRUNCATE"):
		p.word("TABLE")
		t := &Truncate{IfExists: p.ifExists()}
		t.Name = p.name()
		return t
	case p.word("COMMENT"):
		return p.comment()
	case p.word("USE"):
		return p.use()
	case p.word("SHOW"):
		return p.show()
	case p.word("DESCRIBE"), p.word("DESC"):
		what := p.oneOf("TABLE", "STAGE", "VIEW")
		if what == "" {
			p.unsupported("DESCRIBE " + p.peek().raw)
		}
		return &Describe{What: what, Name: p.name()}
	case p.word("BEGIN"):
		p.oneOf("TRANSACTION", "WORK")
		if p.word("NAME") {
			p.ident()
		}
		return &Begin{}
	case p.word("START"):
		p.expect("TRANSACTION")
		return &Begin{}
	case p.word("COMMIT"):
		p.word("WORK")
		return &Commit{}
	case p.word("ROLLBACK"):
		p.word("WORK")
		return &Rollback{}
	case p.word("INSERT"):
		return p.insert()
	case p.word("UPDATE"):
		return p.update()
	case p.word("DELETE"):
		return p.delete()
	case p.word("MERGE"):
		return p.merge()
	case p.word("COPY"):
		return p.copy()
	case p.word("PUT"):
		return p.put()
	case p.word("GET"):
		g := &Get{Stage: p.stage()}
		g.Target = p.fileName()
		g.Options = p.options()
		return g
	case p.word("LIST"), p.word("LS"):
		l := &List{Stage: p.stage()}
		l.Pattern = p.pattern()
		return l
	case p.word("REMOVE"), p.word("RM"):
		r := &Remove{Stage: p.stage()}
		r.Pattern = p.pattern()
		return r
	case p.word("EXPLAIN"):
		p.oneOf("USING")
		p.oneOf("TEXT", "JSON", "TABULAR")
		return &Explain{p.statement()}
	case p.is("GRANT"), p.is("REVOKE"), p.is("CALL"), p.is("EXECUTE"), p.is("SET"), p.is("UNSET"), p.is("DECLARE"), p.is("UNDROP"):
		p.unsupported(p.peek().text)
	}
	p.unexpected()
	return nil
}

func (p *parser) pattern() string {
	if p.word("PATTERN") {
		p.expectOp("=")
		return p.string()
	}
	return ""
}

func (p *parser) fileName() string {
	t := p.peek()
	if t.kind != tokFile && !(t.kind == tokString && strings.HasPrefix(t.text, "file://")) {
		p.unexpected()
	}
	p.at++
	return t.text
}

func (p *parser) put() any {
	s := &Put{Source: strings.TrimPrefix(p.fileName(), "file://")}
	s.Stage = p.stage()
	s.Options = p.options()
	return s
}

func (p *parser) use() any {
	what := p.oneOf("ROLE", "WAREHOUSE", "DATABASE", "SCHEMA")
	if p.is("SECONDARY") {
		p.unsupported("USE SECONDARY ROLES")
	}
	if what == "" {
		what = "DATABASE"
		name := p.name()
		if len(name) == 2 {
			what = "SCHEMA"
		}
		return &Use{what, name}
	}
	return &Use{what, p.name()}
}

func (p *parser) insert() any {
	s := &Insert{Overwrite: p.word("OVERWRITE")}
	if p.is("ALL") || p.is("FIRST") {
		p.unsupported("multi-table INSERT")
	}
	p.expect("INTO")
	s.Table = p.name()
	if p.isOp("(") && !(p.peekN(1).text == "SELECT" && p.peekN(1).kind == tokWord) {
		s.Columns = p.names()
	}
	if p.word("VALUES") {
		s.Query = &Query{Body: p.values()}
	} else {
		s.Query = p.query()
	}
	return s
}

func (p *parser) assigns(alias string, table []string) (out []Assign) {
	for {
		name := p.name()
		a := Assign{Column: name[len(name)-1]}
		p.expectOp("=")
		if p.word("DEFAULT") {
			a.X = nil
		} else {
			a.X = p.expr()
		}
		out = append(out, a)
		if !p.op(",") {
			return out
		}
	}
}

func (p *parser) update() any {
	s := &Update{Table: p.name()}
	s.Alias = p.alias()
	p.expect("SET")
	s.Set = p.assigns(s.Alias, s.Table)
	if p.word("FROM") {
		s.From = p.from()
	}
	if p.word("WHERE") {
		s.Where = p.expr()
	}
	return s
}

func (p *parser) delete() any {
	p.expect("FROM")
	s := &Delete{Table: p.name()}
	s.Alias = p.alias()
	if p.word("USING") {
		s.Using = p.from()
	}
	if p.word("WHERE") {
		s.Where = p.expr()
	}
	return s
}

func (p *parser) merge() any {
	p.expect("INTO")
	s := &Merge{Table: p.name()}
	s.Alias = p.alias()
	p.expect("USING")
	s.Source = p.tableRef()
	p.expect("ON")
	s.On = p.expr()
	for p.word("WHEN") {
		b := Branch{Matched: true}
		if p.word("NOT") {
			b.Matched = false
		}
		p.expect("MATCHED")
		if p.word("AND") {
			b.If = p.expr()
		}
		p.expect("THEN")
		switch {
		case b.Matched && p.word("UPDATE"):
			b.Do = "UPDATE"
			if p.word("ALL", "BY", "NAME") {
				b.All = true
				break
			}
			p.expect("SET")
			b.Set = p.assigns(s.Alias, s.Table)
		case b.Matched && p.word("DELETE"):
			b.Do = "DELETE"
		case !b.Matched && p.word("INSERT"):
			b.Do = "INSERT"
			if p.word("ALL", "BY", "NAME") {
				b.All = true
				break
			}
			if p.isOp("(") {
				b.Columns = p.names()
			}
			p.expect("VALUES")
			p.expectOp("(")
			b.Values = p.exprs()
			p.expectOp(")")
		default:
			p.unexpected()
		}
		s.Branches = append(s.Branches, b)
	}
	if len(s.Branches) == 0 {
		p.unexpected()
	}
	return s
}

func (p *parser) copy() any {
	p.expect("INTO")
	if p.peek().kind == tokStage {
		p.unsupported("COPY INTO a location (unload)")
	}
	s := &Copy{Table: p.name()}
	if p.isOp("(") {
		s.Columns = p.names()
	}
	p.expect("FROM")
	if p.isOp("(") {
		p.at++
		s.Transform = p.query()
		p.expectOp(")")
		sel, ok := s.Transform.Body.(*Select)
		if !ok {
			p.unsupported("COPY transformation that is no SELECT")
		}
		ref, ok := sel.From.(*StageRef)
		if !ok || sel.Where != nil || sel.Group != nil || sel.Distinct || sel.Qualify != nil || s.Transform.Order != nil || s.Transform.Limit != nil {
			panic(Compile(2078, "0A000", "COPY statement only supports simple SELECT from stage statements for import."))
		}
		s.Stage = ref.Stage
	} else {
		s.Stage = p.stage()
	}
	s.Options = p.options()
	return s
}
