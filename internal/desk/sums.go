package desk

import (
	"math/big"
	"slices"
	"strings"

	"github.com/billonce/billonce/internal/words"
)

// sums adds up amounts by their currencies.
type sums map[string]*sum

type sum struct {
	n        *big.Rat
	decimals int
}

func (s sums) add(amount, currency string) {
	n, ok := new(big.Rat).SetString(amount)
	if !ok {
		return
	}
	of := s[currency]
	if of == nil {
		of = &sum{n: new(big.Rat)}
		s[currency] = of
	}
	of.n.Add(of.n, n)
	_, decimals, _ := strings.Cut(amount, ".")
	of.decimals = max(of.decimals, len(decimals))
}

// most is the largest of the sums, whatever its currency.
func (s sums) most() *big.Rat {
	most := new(big.Rat)
	for _, of := range s {
		if of.n.Cmp(most) > 0 {
			most = of.n
		}
	}
	return most
}

func (s sums) String() string {
	var parts []string
	for currency, of := range s {
		parts = append(parts, strings.TrimSpace(words.Decimal(of.n, of.decimals)+" "+words.OneLine(currency)))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
