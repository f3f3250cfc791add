import System
import Testing

@Suite struct TextTests {
    @Test func numbersAreFormatted() {
        #expect(plural(1, "rank") == "1 rank" && plural(0, "rank") == "0 ranks" && plural(2, "rank") == "2 ranks")
        #expect(rounded(2.675, decimals: 1) == "2.7")
        #expect(rounded(123456.789, digits: 4) == "1.235e+05" && rounded(0.25, digits: 6) == "0.25")
        #expect(rounded(-Double.nan, digits: 6) == "nan" && rounded(.infinity, digits: 6) == "inf")
        #expect(megabytes(999) == "1.0 kB" && megabytes(4_200_000) == "4.2 MB")
        #expect(clock(59.4) == "59 s" && clock(125) == "2 min 5 s" && clock(7500) == "2 h 5 min")
        #expect(clock(90_000) == "1 d 1 h" && clock(.infinity) == "ages")
    }

    @Test func errorsDetermineTheDecimals() {
        #expect(rounded(0.64123, error: 0.01534) == "0.641 ± 0.015" && rounded(123.4, error: 25) == "123 ± 25")
        #expect(rounded(2.5, error: 0.0999) == "2.500 ± 0.100")
        #expect(rounded(0.5, error: nil) == "0.5" && rounded(0.5, error: 0) == "0.5")
        #expect(rounded(.infinity, error: 1) == "inf" && rounded(1, error: .nan) == "1")
    }

    @Test func wordsAreQuotedForAShell() {
        #expect(quotedForShell("data.test=a/b-1.h5") == "data.test=a/b-1.h5")
        #expect(quotedForShell("data.test=[a.h5]") == "'data.test=[a.h5]'")
        #expect(quotedForShell("it's") == #"'it'\''s'"# && quotedForShell("") == "''")
        #expect(quotedForShell("a\nb\tc") == "'a b c'" && quotedForShell("μ~$x") == "'μ~$x'")
    }

    @Test func columnsAreAligned() {
        #expect(aligned([["a", "bcd"], ["efg", ""]]) == "a    bcd\nefg")
    }
}
