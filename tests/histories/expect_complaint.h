// ExpectComplaint, NameOf: for tables of histories and what a judge says of them.
#ifndef SYNOD_TESTS_HISTORIES_EXPECT_COMPLAINT_H_
#define SYNOD_TESTS_HISTORIES_EXPECT_COMPLAINT_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace synod::histories {

// One complaint that says `what`; none if that is empty.
inline void ExpectComplaint(const std::vector<std::string>& complaints, const char* what) {
  if (*what == '\0')
    EXPECT_THAT(complaints, testing::IsEmpty());
  else
    EXPECT_THAT(complaints, testing::ElementsAre(testing::HasSubstr(what)));
}

template <typename Case>
std::string NameOf(const testing::TestParamInfo<Case>& row) {
  return row.param.name;
}

}  // namespace synod::histories

#endif  // SYNOD_TESTS_HISTORIES_EXPECT_COMPLAINT_H_
