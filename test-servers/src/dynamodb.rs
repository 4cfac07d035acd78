//! DynamoDB: the server named by `DYNAMODB_ENDPOINT`, else dynoxide in this process.
