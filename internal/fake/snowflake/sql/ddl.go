package sql

type (
	// CreateTable is CREATE TABLE in all its forms.
	CreateTable struct {
		Name        []string
		Kind        string // "", TEMPORARY or TRANSIENT
		Replace     bool
		IfNotExists bool
		Columns     []ColumnDef
		PrimaryKey  []string
		Like, Clone []string
		As          *Query
		Comment     string
	}
	// ColumnDef is a column of CREATE or ALTER TABLE.
	ColumnDef struct {
		Name       string
		Type       Type
		NotNull    bool
		Default    Expr
		Identity   bool
		PrimaryKey bool
		Comment    string
	}
	// Create is CREATE DATABASE, SCHEMA, STAGE, FILE FORMAT, WAREHOUSE, VIEW or SEQUENCE.
	Create struct {
		What        string
		Name        []string
		Temporary   bool
		Replace     bool
		IfNotExists bool
		Options     Options
		Query       *Query
		Columns     []string
	}
	// Drop is DROP of anything.
	Drop struct {
		What     string
		Name     []string
		IfExists bool
	}
	// AlterTable is ALTER TABLE; Do holds one of the actions below each.
	AlterTable struct {
		Name     []string
		IfExists bool
		Do       []any
	}
	// AddColumn is ADD [COLUMN] [IF NOT EXISTS].
	AddColumn struct {
		Column      ColumnDef
		IfNotExists bool
	}
	// DropColumn is DROP [COLUMN] [IF EXISTS].
	DropColumn struct {
		Name     string
		IfExists bool
	}
	// RenameColumn is RENAME COLUMN a TO b.
	RenameColumn struct{ From, To string }
	// RenameTable is RENAME TO.
	RenameTable struct{ To []string }
	// SwapWith is SWAP WITH.
	SwapWith struct{ Other []string }
	// AlterColumn is ALTER or MODIFY COLUMN.
	AlterColumn struct {
		Name        string
		Type        *Type
		DropNotNull bool
		SetNotNull  bool
		DropDefault bool
		Comment     *string
	}
	// DropPrimaryKey is DROP PRIMARY KEY.
	DropPrimaryKey struct{}
	// AddPrimaryKey is ADD PRIMARY KEY (…).
	AddPrimaryKey struct{ Columns []string }
	// SetTable is SET key = value …
	SetTable struct{ Options Options }
	// AlterSession is ALTER SESSION SET or UNSET.
	AlterSession struct {
		Set   Options
		Unset []string
	}
	// Alter is ALTER of a warehouse, schema, database or stage.
	Alter struct {
		What     string
		Name     []string
		IfExists bool
		Action   string // SUSPEND, RESUME, SET, RENAME, SWAP
		To       []string
		Options  Options
	}
	// Comment is COMMENT ON.
	Comment struct {
		What     string
		Name     []string
		IfExists bool
		Text     string
	}
	// Truncate is TRUNCATE TABLE.
	Truncate struct {
		Name     []string
		IfExists bool
	}
	// Use is USE ROLE, WAREHOUSE, DATABASE or SCHEMA.
	Use struct {
		What string
		Name []string
	}
	// Show is SHOW.
	Show struct {
		What       string
		Like       string
		HasLike    bool
		Terse      bool
		In         string // ACCOUNT, DATABASE, SCHEMA, TABLE, SESSION or ""
		Name       []string
		StartsWith string
		Limit      int
		From       string // with Limit: rows behind the one of this name
	}
	// Describe is DESCRIBE TABLE or STAGE.
	Describe struct {
		What string
		Name []string
	}
)

type (
	// Begin, Commit and Rollback are transactions.
	Begin struct{}
	// Commit ends one.
	Commit struct{}
	// Rollback undoes one.
	Rollback struct{}
	// Insert is INSERT [OVERWRITE] INTO.
	Insert struct {
		Table     []string
		Columns   []string
		Overwrite bool
		Query     *Query
	}
	// Update is UPDATE … SET … FROM … WHERE.
	Update struct {
		Table []string
		Alias string
		Set   []Assign
		From  any
		Where Expr
	}
	// Assign is one SET.
	Assign struct {
		Column string
		X      Expr
	}
	// Delete is DELETE FROM … USING … WHERE.
	Delete struct {
		Table []string
		Alias string
		Using any
		Where Expr
	}
	// Merge is MERGE INTO.
	Merge struct {
		Table    []string
		Alias    string
		Source   any
		On       Expr
		Branches []Branch
	}
	// Branch is one WHEN of a MERGE. Do is UPDATE, DELETE or INSERT.
	Branch struct {
		Matched bool
		If      Expr
		Do      string
		Set     []Assign
		Columns []string
		Values  []Expr
		All     bool // by name
	}
	// Put is PUT file stage.
	Put struct {
		Source  string
		Stage   Stage
		Options Options
	}
	// Get is GET stage file.
	Get struct {
		Stage   Stage
		Target  string
		Options Options
	}
	// List is LIST or LS.
	List struct {
		Stage   Stage
		Pattern string
	}
	// Remove is REMOVE or RM.
	Remove struct {
		Stage   Stage
		Pattern string
	}
	// Copy is COPY INTO table.
	Copy struct {
		Table     []string
		Columns   []string
		Stage     Stage
		Transform *Query // its From is a *StageRef
		Options   Options
	}
	// SetVariable is SET name = expr.
	SetVariable struct {
		Name string
		X    Expr
	}
	// Explain is EXPLAIN.
	Explain struct{ Statement any }
)
