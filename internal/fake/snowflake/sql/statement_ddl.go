package sql

import "strings"

func (p *parser) create() any {
	replace := p.word("OR", "REPLACE")
	kind := p.oneOf("TEMPORARY", "TEMP", "TRANSIENT", "VOLATILE")
	if kind == "LOCAL" || kind == "TEMP" || kind == "VOLATILE" {
		kind = "TEMPORARY"
	}
	what := p.oneOf("TABLE", "SCHEMA", "DATABASE", "STAGE", "FILE", "WAREHOUSE", "VIEW", "ROLE", "SEQUENCE")
	switch what {
	case "TABLE":
		return p.createTable(kind, replace)
	case "":
		if isReserved(p.peek().text) || p.peek().kind != tokWord {
			p.unexpected()
		}
		p.unsupported("CREATE " + p.peek().text)
	case "FILE":
		p.expect("FORMAT")
		what = "FILE FORMAT"
	case "ROLE", "SEQUENCE":
		p.unsupported("CREATE " + what)
	}
	c := &Create{What: what, Temporary: kind == "TEMPORARY", Replace: replace, IfNotExists: p.ifNotExists()}
	c.Name = p.name()
	if what == "VIEW" {
		if p.isOp("(") {
			c.Columns = p.names()
		}
		c.Options = p.options()
		p.expect("AS")
		c.Query = p.query()
		return c
	}
	p.word("WITH", "MANAGED", "ACCESS")
	c.Options = p.options()
	return c
}

func (p *parser) createTable(kind string, replace bool) any {
	c := &CreateTable{Kind: kind, Replace: replace, IfNotExists: p.ifNotExists()}
	c.Name = p.name()
	switch {
	case p.word("LIKE"):
		c.Like = p.name()
		return c
	case p.word("CLONE"):
		c.Clone = p.name()
		return c
	}
	if p.op("(") {
		for {
			p.tableElement(c)
			if !p.op(",") {
				break
			}
		}
		p.expectOp(")")
	}
	if p.word("CLUSTER", "BY") {
		p.expectOp("(")
		p.exprs()
		p.expectOp(")")
	}
	opts := p.options()
	if text, ok := opts["COMMENT"].(string); ok {
		c.Comment = text
	}
	if p.word("AS") {
		c.As = p.query()
	}
	if c.Columns == nil && c.As == nil {
		p.unexpected()
	}
	return c
}

func (p *parser) tableElement(c *CreateTable) {
	if p.word("CONSTRAINT") {
		p.ident()
	}
	switch {
	case p.word("PRIMARY", "KEY"):
		c.PrimaryKey = p.names()
		p.constraintProperties()
		return
	case p.word("UNIQUE"):
		p.names()
		p.constraintProperties()
		return
	case p.word("FOREIGN", "KEY"):
		p.unsupported("FOREIGN KEY")
	}
	d := p.columnDef(c.As == nil)
	if d.PrimaryKey {
		c.PrimaryKey = append(c.PrimaryKey, d.Name)
	}
	c.Columns = append(c.Columns, d)
}

func (p *parser) constraintProperties() {
	for p.oneOf("RELY", "NORELY", "ENFORCED", "DEFERRABLE", "INITIALLY", "DEFERRED", "IMMEDIATE") != "" || p.word("NOT", "ENFORCED") {
	}
}

func (p *parser) columnDef(typed bool) ColumnDef {
	d := ColumnDef{Name: p.ident()}
	if t := p.peek(); t.kind == tokWord {
		d.Type = p.dataType()
	} else if !p.isOp(",") && !p.isOp(")") {
		p.unexpected()
	}
	for {
		switch {
		case p.word("NOT", "NULL"):
			d.NotNull = true
		case p.word("NULL"):
		case p.word("DEFAULT"):
			d.Default = p.concat()
		case p.is("AUTOINCREMENT"), p.is("IDENTITY"):
			p.at++
			d.Identity = true
			if p.op("(") {
				p.exprs()
				p.expectOp(")")
			}
			if p.word("START") {
				p.int()
				p.expect("INCREMENT")
				p.int()
			}
			p.oneOf("ORDER", "NOORDER")
		case p.word("PRIMARY", "KEY"):
			d.PrimaryKey, d.NotNull = true, true
			p.constraintProperties()
		case p.word("UNIQUE"):
			p.constraintProperties()
		case p.word("COMMENT"):
			d.Comment = p.string()
		case p.word("COLLATE"):
			if p.string() != "" {
				p.unsupported("COLLATE")
			}
		default:
			return d
		}
	}
}

func (p *parser) what(words ...string) string {
	what := p.oneOf(words...)
	if what == "" {
		if p.peek().kind != tokWord {
			p.unexpected()
		}
		p.unsupported(p.tokens[p.at-1].raw + " " + p.peek().text)
	}
	if what == "FILE" {
		p.expect("FORMAT")
		what = "FILE FORMAT"
	}
	return what
}

func (p *parser) drop() any {
	d := &Drop{What: p.what("TABLE", "SCHEMA", "DATABASE", "STAGE", "FILE", "VIEW", "WAREHOUSE")}
	d.IfExists = p.ifExists()
	d.Name = p.name()
	p.oneOf("CASCADE", "RESTRICT")
	return d
}

func (p *parser) comment() any {
	c := &Comment{IfExists: p.ifExists()}
	p.expect("ON")
	c.What = p.what("TABLE", "COLUMN", "SCHEMA", "DATABASE", "STAGE")
	if c.What == "COLUMN" { // up to four parts
		c.Name = []string{p.ident()}
		for p.op(".") {
			c.Name = append(c.Name, p.ident())
		}
	} else {
		c.Name = p.name()
	}
	p.expect("IS")
	c.Text = p.string()
	return c
}

func (p *parser) alter() any {
	what := p.what("TABLE", "SESSION", "WAREHOUSE", "SCHEMA", "DATABASE", "STAGE", "FILE", "USER", "ACCOUNT")
	switch what {
	case "SESSION":
		if p.word("UNSET") {
			s := &AlterSession{}
			for {
				s.Unset = append(s.Unset, p.ident())
				if !p.op(",") {
					return s
				}
			}
		}
		p.expect("SET")
		s := &AlterSession{Set: p.options()}
		if len(s.Set) == 0 {
			p.unexpected()
		}
		return s
	case "TABLE":
		return p.alterTable()
	case "USER", "ACCOUNT":
		p.unsupported("ALTER " + what)
	}
	a := &Alter{What: what, IfExists: p.ifExists()}
	a.Name = p.name()
	switch {
	case p.word("SUSPEND"):
		a.Action = "SUSPEND"
	case p.word("RESUME"):
		p.word("IF", "SUSPENDED")
		a.Action = "RESUME"
	case p.word("RENAME", "TO"):
		a.Action, a.To = "RENAME", p.name()
	case p.word("SET"):
		a.Action, a.Options = "SET", p.options()
	default:
		p.unsupported("ALTER " + what + " " + p.peek().raw)
	}
	return a
}

func (p *parser) alterTable() any {
	a := &AlterTable{IfExists: p.ifExists()}
	a.Name = p.name()
	switch {
	case p.word("ADD"):
		if p.word("CONSTRAINT") {
			p.ident()
		}
		if p.word("PRIMARY", "KEY") {
			a.Do = append(a.Do, &AddPrimaryKey{p.names()})
			return a
		}
		p.word("COLUMN")
		for {
			add := &AddColumn{IfNotExists: p.ifNotExists()}
			add.Column = p.columnDef(true)
			a.Do = append(a.Do, add)
			if !p.op(",") {
				return a
			}
			p.word("COLUMN")
		}
	case p.word("DROP", "PRIMARY", "KEY"):
		a.Do = append(a.Do, &DropPrimaryKey{})
	case p.word("DROP"):
		p.word("COLUMN")
		for {
			d := &DropColumn{IfExists: p.ifExists()}
			d.Name = p.ident()
			a.Do = append(a.Do, d)
			if !p.op(",") {
				return a
			}
		}
	case p.word("RENAME", "TO"):
		a.Do = append(a.Do, &RenameTable{p.name()})
	case p.word("RENAME", "COLUMN"):
		r := &RenameColumn{From: p.ident()}
		p.expect("TO")
		r.To = p.ident()
		a.Do = append(a.Do, r)
	case p.word("SWAP", "WITH"):
		a.Do = append(a.Do, &SwapWith{p.name()})
	case p.word("SET"):
		a.Do = append(a.Do, &SetTable{p.options()})
	case p.is("ALTER"), p.is("MODIFY"):
		p.at++
		paren := p.op("(")
		for {
			p.word("COLUMN")
			p.alterColumn(a)
			if !p.op(",") {
				break
			}
			p.oneOf("ALTER", "MODIFY")
		}
		if paren {
			p.expectOp(")")
		}
	default:
		p.unsupported("ALTER TABLE " + p.peek().raw)
	}
	return a
}

func (p *parser) alterColumn(a *AlterTable) {
	c := &AlterColumn{Name: p.ident()}
	a.Do = append(a.Do, c)
	switch {
	case p.word("SET", "DATA", "TYPE"), p.word("TYPE"):
		t := p.dataType()
		c.Type = &t
	case p.word("DROP", "NOT", "NULL"):
		c.DropNotNull = true
	case p.word("DROP", "DEFAULT"):
		c.DropDefault = true
	case p.word("SET", "NOT", "NULL"):
		c.SetNotNull = true
	case p.word("COMMENT"):
		text := p.string()
		c.Comment = &text
	case p.peek().kind == tokWord && !isReserved(p.peek().text) && !p.is("UNSET"):
		t := p.dataType()
		c.Type = &t
	default:
		p.unsupported("ALTER COLUMN " + p.peek().raw)
	}
}

func (p *parser) show() any {
	s := &Show{Terse: p.word("TERSE")}
	var words []string
	for p.peek().kind == tokWord && !p.is("LIKE") && !p.is("IN") && !p.is("LIMIT") && !p.is("STARTS") && !p.is("HISTORY") {
		words = append(words, p.next().text)
	}
	s.What = strings.Join(words, " ")
	p.word("HISTORY")
	if p.word("LIKE") {
		s.Like, s.HasLike = p.string(), true
	}
	if p.word("IN") {
		s.In = p.oneOf("ACCOUNT", "DATABASE", "SCHEMA", "TABLE", "SESSION", "VIEW")
		if p.peek().kind == tokQuoted || p.peek().kind == tokWord && !p.is("LIMIT") && !p.is("STARTS") {
			s.Name = p.name()
		}
	}
	if p.word("STARTS", "WITH") {
		s.StartsWith = p.string()
	}
	if p.word("LIMIT") {
		s.Limit = p.int()
		if p.word("FROM") {
			s.From = p.string()
		}
	}
	return s
}
