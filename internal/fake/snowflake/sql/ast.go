package sql

// Expr is an expression.
type Expr any

type (
	// Lit is a constant. Kind is 'n' number, 's' text, 'b' boolean, '0' null.
	Lit struct {
		Kind byte
		Text string
	}
	// Col is a column by name, perhaps qualified.
	Col struct{ Name []string }
	// Dollar is $N, perhaps qualified by an alias.
	Dollar struct {
		Qualifier string
		N         int
	}
	// Bind is a placeholder, numbered from 1.
	Bind struct{ N int }
	// Star is * or T.*; Exclude lists the columns left out.
	Star struct {
		Qualifier []string
		Exclude   []string
	}
	// Path is X:a.b[0]: Steps are strings (names, case kept) or Exprs.
	Path struct {
		X     Expr
		Steps []any
	}
	// Func is a call; Over is set for a window function.
	Func struct {
		Name     string
		Args     []Expr
		Distinct bool
		Star     bool
		Order    []Order // WITHIN GROUP
		Over     *Over
	}
	// Over is a window.
	Over struct {
		Partition []Expr
		Order     []Order
	}
	// Cast is X::T, CAST(X AS T) or TRY_CAST.
	Cast struct {
		X   Expr
		To  Type
		Try bool
	}
	// Unary is NOT, - or +.
	Unary struct {
		Op string
		X  Expr
	}
	// Binary is an operator between two expressions.
	Binary struct {
		Op   string
		L, R Expr
	}
	// IsNull is X IS [NOT] NULL.
	IsNull struct {
		X   Expr
		Not bool
	}
	// IsBool is X IS [NOT] TRUE or FALSE.
	IsBool struct {
		X         Expr
		Not, True bool
	}
	// In is X [NOT] IN (list) or (query).
	In struct {
		X    Expr
		List []Expr
		Sub  *Query
		Not  bool
	}
	// Like is LIKE, ILIKE or RLIKE.
	Like struct {
		Op         string
		X, Pattern Expr
		Escape     Expr
		Not        bool
	}
	// Between is X [NOT] BETWEEN L AND H.
	Between struct {
		X, Low, High Expr
		Not          bool
	}
	// Case is CASE [X] WHEN … END.
	Case struct {
		X     Expr
		Whens []When
		Else  Expr
	}
	// When is one branch of a Case.
	When struct{ If, Then Expr }
	// Exists is EXISTS (query).
	Exists struct{ Sub *Query }
	// Scalar is a sub-query used as a value.
	Scalar struct{ Sub *Query }
	// Row is (a, b, …).
	Row struct{ Items []Expr }
)

// Type is a data type as written; Args are its numbers.
type Type struct {
	Name string
	Args []int
}

// Order is one key of an ORDER BY. Nulls is 'f', 'l' or 0 (the default: last
// when ascending, first when descending).
type Order struct {
	X     Expr
	Desc  bool
	Nulls byte
}

// Query is a SELECT with all around it.
type Query struct {
	With   []CTE
	Body   any // *Select, *SetOp, *Values or *Query
	Order  []Order
	Limit  Expr
	Offset Expr
}

type (
	// CTE is one WITH entry.
	CTE struct {
		Name    string
		Columns []string
		Query   *Query
	}
	// Select is a single block.
	Select struct {
		Distinct bool
		Items    []Item
		From     any // nil, or a table reference
		Where    Expr
		Group    []Expr
		GroupAll bool
		Having   Expr
		Qualify  Expr
	}
	// Item is one output column; Alias may be empty.
	Item struct {
		X     Expr
		Alias string
	}
	// SetOp is UNION [ALL], EXCEPT or INTERSECT.
	SetOp struct {
		Op   string
		All  bool
		L, R any
	}
	// Values is VALUES (…), (…).
	Values struct{ Rows [][]Expr }
)

type (
	// TableRef names a table, view or CTE.
	TableRef struct {
		Name  []string
		Alias string
	}
	// SubRef is a sub-query or VALUES in FROM.
	SubRef struct {
		Query   *Query
		Alias   string
		Columns []string
	}
	// StageRef is @stage in FROM.
	StageRef struct {
		Stage   Stage
		Format  Options
		Pattern string
		Alias   string
	}
	// FuncRef is TABLE(f(…)) or LATERAL FLATTEN(…).
	FuncRef struct {
		Call  *Func
		Alias string
	}
	// Join joins two table references. Kind is INNER, LEFT, RIGHT, FULL or CROSS.
	Join struct {
		Kind  string
		L, R  any
		On    Expr
		Using []string
	}
)

// Stage is a reference to a stage and a path in it. Kind is 'n' named, 't' a
// table's, 'u' the user's.
type Stage struct {
	Kind byte
	Name []string
	Path string
	Text string // as written
}

// Options are KEY = value pairs, keys in upper case. A value is a string, a
// []string or an Options. Given holds whether a word was written bare.
type Options map[string]any
